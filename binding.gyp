{
  "targets": [
    {
      "target_name": "gemlens",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt", "<!@(node scripts/native-sources.mjs)"],
          "outputs": ["<(PRODUCT_DIR)/gemlens.node"],
          "action": ["node", "scripts/build-native.mjs", "--out", "<(PRODUCT_DIR)"]
        }
      ]
    }
  ]
}

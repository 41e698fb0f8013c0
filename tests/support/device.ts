/** Where numeric tests, and the processes that they start, run. */
export const device = process.env["GEMLENS_TEST_DEVICE"] ?? "cpu";

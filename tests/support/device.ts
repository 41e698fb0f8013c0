/** The device of numeric tests and of the processes that they start. */
export const device = process.env["GEMLENS_TEST_DEVICE"] ?? "cpu";

/** Enough for the largest wave policy that the API takes. */
export const MAX_ORDER_BYTES = 256 * 1024;

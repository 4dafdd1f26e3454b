/** Whose verbs these are, as the history tells it: whoever holds the one token. */
export const OPERATOR = 'operator';

/** Enough for the largest wave policy that the API takes. */
export const MAX_ORDER_BYTES = 256 * 1024;

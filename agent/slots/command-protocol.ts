import * as z from 'zod';
import { isImageName } from '../../core/tuf/names.ts';

/** What both sides of a conversation name first. */
export const SLOTS_PROTOCOL = 'tidegate.slots/1';
export const SLOT_NAMES = ['a', 'b'] as const;
export type SlotName = (typeof SLOT_NAMES)[number];

/** A seal has at most so many bytes; an answer, with two of them in base64, fits into `MOST_ANSWER_BYTES`. */
export const MOST_SEAL_BYTES = 1024 * 1024;
export const MOST_ANSWER_BYTES = 4 * 1024 * 1024;

/** One operation of a program that drives slots. Its keys are sent in the order in which they stand here. */
export type ProgramRequest =
  | { readonly operation: 'state' }
  | { readonly operation: 'clear' | 'mark-good'; readonly slot: SlotName }
  | { readonly operation: 'activate'; readonly slot: SlotName; readonly trial: boolean }
  | { readonly operation: 'seal'; readonly slot: SlotName; readonly size: number }
  | {
      readonly operation: 'write';
      readonly slot: SlotName;
      readonly image: string;
      readonly size: number;
    }
  | {
      readonly operation: 'read';
      readonly slot: SlotName;
      readonly image: string;
      readonly offset: number;
      readonly length: number;
    };

const byteCount = z.int().min(0);
const slotState = z.strictObject({
  /** What `seal` was given, byte for byte. */
  seal: z.base64().nullable(),
  /** Bytes of every image that was written to its end since the slot was cleared. */
  images: z.record(z.string().refine(isImageName), byteCount),
  /** Bytes that all images of the slot may take together. */
  room: byteCount,
  /** Bytes that each image may take for itself, where it has a place of its own; no other image has a place then. */
  places: z.record(z.string().refine(isImageName), byteCount).optional(),
  good: z.boolean(),
  failed: z.boolean(),
});
const slotName = z.enum(SLOT_NAMES).nullable();

/** The result of `state`. */
export const stateResult = z.strictObject({
  running: slotName,
  next: slotName,
  slots: z.strictObject({ a: slotState, b: slotState }),
});
export type ProgramState = z.infer<typeof stateResult>;
export type ProgramSlot = z.infer<typeof slotState>;

/** The result of every other operation. */
export const doneResult = z.strictObject({});

const errorCode = z.enum(['full', 'disk', 'image', 'slots', 'unsupported']);
export type ProgramErrorCode = z.infer<typeof errorCode>;
const protocol = z.literal(SLOTS_PROTOCOL);
const errorAnswer = z.strictObject({
  protocol,
  error: z.strictObject({ code: errorCode, message: z.string().max(1000) }),
});

export type ProgramAnswer<T> =
  | { readonly kind: 'result'; readonly result: T }
  | { readonly kind: 'error'; readonly code: ProgramErrorCode; readonly message: string }
  | { readonly kind: 'garbage'; readonly why: string };

/** The line that a request is sent as. */
export function formatRequest(request: ProgramRequest): string {
  return `${JSON.stringify({ protocol: SLOTS_PROTOCOL, ...request })}\n`;
}

/** Reads the one line of an answer; whatever is no answer is garbage. */
export function parseAnswer<T>(text: string, result: z.ZodType<T>): ProgramAnswer<T> {
  const value = jsonLine(text);
  const failed = errorAnswer.safeParse(value);
  if (failed.success) return { kind: 'error', ...failed.data.error };
  const done = z.strictObject({ protocol, result }).safeParse(value);
  if (done.success) return { kind: 'result', result: done.data.result };
  return { kind: 'garbage', why: whyGarbage(text, done.error) };
}

function jsonLine(text: string): unknown {
  if (text.indexOf('\n') !== text.length - 1) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function whyGarbage(text: string, { issues: [issue] }: z.ZodError): string {
  if (text === '') return 'no answer';
  const start = JSON.stringify(text.slice(0, 80));
  if (jsonLine(text) === undefined) return `an answer that is not one line of JSON: ${start}`;
  const at = issue?.path.join('.') ?? '';
  return `an answer that is none of ${SLOTS_PROTOCOL} (${at === '' ? '' : `${at}: `}${issue?.message ?? ''}): ${start}`;
}

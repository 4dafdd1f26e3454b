import { AgentError } from '../../agent/errors.ts';

/** The code of the AgentError that the work ends with; any other error is thrown on. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AgentError) return error.code;
    throw error;
  }
  return 'no error';
}

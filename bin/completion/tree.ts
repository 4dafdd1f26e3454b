import type { Command } from 'commander';

/** One place of the command line: what may follow there. */
export type CompletionNode = {
  /** The words before it, without the name of the program: `rollout pause`. */
  readonly path: string;
  readonly commands: readonly Word[];
  readonly options: readonly (Word & { readonly takesValue: boolean })[];
};

export type Word = { readonly text: string; readonly description: string };

/** Every place of a command line, read from the commands themselves. */
export function completionNodes(command: Command, path = ''): readonly CompletionNode[] {
  const help = command.createHelp();
  const children = help.visibleCommands(command).filter((child) => child.name() !== 'help');
  const own: CompletionNode = {
    path,
    commands: children.map((child) => ({
      text: child.name(),
      description: firstLine(child.description()),
    })),
    options: help
      .visibleOptions(command)
      .flatMap(({ long, short, description, required, optional }) => {
        const text = long ?? short;
        const takesValue = required || optional;
        return text === undefined || text === null
          ? []
          : [{ text, description: firstLine(description), takesValue }];
      }),
  };
  const inner = children.flatMap((child) =>
    completionNodes(child, path === '' ? child.name() : `${path} ${child.name()}`),
  );
  return [own, ...inner];
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}

import type { CompletionNode } from './tree.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** A script for the shell that completes commands and options; where an option or an argument takes a value, files. */
export function completionScript(shell: Shell, nodes: readonly CompletionNode[]): string {
  switch (shell) {
    case 'bash':
      return bash(nodes);
    case 'zsh':
      return zsh(nodes);
    case 'fish':
      return fish(nodes);
  }
}

/** Goes word by word as far down as the commands lead; the words of all nodes lie in `case` branches. */
function walk(nodes: readonly CompletionNode[], words: string): readonly string[] {
  const paths = nodes.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`);
  // Not `path`: zsh keeps its search path in there.
  return [
    `  local at='' next word`,
    `  for word in ${words}; do`,
    `    next="\${at:+$at }$word"`,
    `    case "$next" in`,
    `      ${paths.join('|')}) at="$next" ;;`,
    `    esac`,
    `  done`,
  ];
}

function bash(nodes: readonly CompletionNode[]): string {
  const branches = nodes.map(({ path, commands, options }) => {
    const valued = options.filter(({ takesValue }) => takesValue).map(({ text }) => text);
    return (
      `    '${path}') commands='${commands.map(({ text }) => text).join(' ')}'` +
      ` options='${options.map(({ text }) => text).join(' ')}' valued=' ${valued.join(' ')} ' ;;`
    );
  });
  return [
    '# bash completion of tidegate: source <(tidegate completion bash)',
    '_tidegate() {',
    ...walk(nodes, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"'),
    `  local commands='' options='' valued='' current="\${COMP_WORDS[COMP_CWORD]}"`,
    '  case "$at" in',
    ...branches,
    '  esac',
    '  COMPREPLY=()',
    '  # The value of an option: files.',
    '  if [[ "$valued" == *" ${COMP_WORDS[COMP_CWORD-1]} "* ]]; then return; fi',
    '  if [[ "$current" == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$current"))',
    '  else COMPREPLY=($(compgen -W "$commands" -- "$current")); fi',
    '}',
    'complete -o default -F _tidegate tidegate',
    '',
  ].join('\n');
}

function zsh(nodes: readonly CompletionNode[]): string {
  const described = (words: readonly { text: string; description: string }[]) =>
    words
      .map(({ text, description }) => quote(`${text.replaceAll(':', '\\:')}:${description}`))
      .join(' ');
  const branches = nodes.map(({ path, commands, options }) => {
    const valued = options.filter(({ takesValue }) => takesValue).map(({ text }) => text);
    return (
      `    '${path}') commands=(${described(commands)}) options=(${described(options)})` +
      ` valued=(${valued.join(' ')}) ;;`
    );
  });
  return [
    '#compdef tidegate',
    '# zsh completion of tidegate: source <(tidegate completion zsh)',
    '_tidegate() {',
    ...walk(nodes, '"${(@)words[2,CURRENT-1]}"'),
    '  local -a commands options valued',
    '  case "$at" in',
    ...branches,
    '  esac',
    '  # The value of an option: files.',
    '  if (( ${valued[(Ie)${words[CURRENT-1]}]} )); then _files; return; fi',
    `  if [[ "\${words[CURRENT]}" == -* ]]; then _describe 'option' options; return; fi`,
    `  if (( \${#commands} )); then _describe 'command' commands; else _files; fi`,
    '}',
    'compdef _tidegate tidegate',
    '',
  ].join('\n');
}

function fish(nodes: readonly CompletionNode[]): string {
  const lines = nodes.flatMap(({ path, commands, options }) => {
    const here = `complete -c tidegate -n ${quote(`test (__tidegate_at) = "${path}"`)}`;
    return [
      ...(commands.length === 0 ? [] : [`${here} -f`]),
      ...commands.map(({ text, description }) => `${here} -a ${text} -d ${quote(description)}`),
      ...options.map(({ text, description, takesValue }) => {
        const name = text.startsWith('--') ? `-l ${text.slice(2)}` : `-s ${text.slice(1)}`;
        return `${here} ${name}${takesValue ? ' -r' : ''} -d ${quote(description)}`;
      }),
    ];
  });
  const paths = nodes.filter(({ path }) => path !== '').map(({ path }) => quote(path));
  return [
    '# fish completion of tidegate: tidegate completion fish | source',
    'function __tidegate_at',
    '  set -l at ""',
    '  for word in (commandline -opc)[2..]',
    '    set -l next (string trim -- "$at $word")',
    `    if contains -- $next ${paths.join(' ')}`,
    '      set at $next',
    '    end',
    '  end',
    '  echo -- $at',
    'end',
    ...lines,
    '',
  ].join('\n');
}

/** For zsh and fish, where nothing within single quotes has a meaning but the quote (and fish's backslash). */
function quote(text: string): string {
  return `'${text.replaceAll('\\', '').replaceAll("'", '’')}'`;
}

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

type Waiting = {
  readonly wanted: RegExp;
  readonly resolve: (line: string) => void;
  readonly reject: (error: Error) => void;
};

export type MachineParts = {
  /** The folder of `bootParts`. */
  readonly parts: string;
  readonly loader: string;
  readonly disk: string;
};

/** A virtual machine with one disk and a network in which 10.0.2.2 is this machine; it boots again whenever it wants to. */
export class Machine implements AsyncDisposable {
  /** All that its console ever said. */
  readonly console: string[] = [];
  /** Times that it was switched on or booted again. */
  boots = 0;
  readonly #parts: MachineParts;
  #process: ChildProcess | null = null;
  #waiting: Waiting | null = null;
  #heard = 0;

  constructor(parts: MachineParts) {
    this.#parts = parts;
  }

  switchOn(): void {
    const { parts, loader, disk } = this.#parts;
    this.boots += 1;
    const child = spawn(
      'qemu-system-x86_64',
      [
        ...['-nodefaults', '-no-user-config', '-no-reboot', '-machine', 'q35,accel=tcg'],
        ...['-m', '768', '-display', 'none', '-serial', 'stdio'],
        ...['-kernel', join(parts, 'vmlinuz'), '-initrd', loader],
        ...['-append', 'console=ttyS0 quiet panic=-1'],
        ...['-drive', `file=${disk},if=virtio,format=raw,cache=writeback`],
        ...['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#hear(line);
      });
    }
    child.once('error', ({ message }) => {
      this.#fail(message);
    });
    child.once('close', (code) => {
      // Who was cut off is switched on by whoever cut it off.
      if (this.#process !== child) return;
      this.#process = null;
      if (code === 0) this.switchOn();
      else this.#fail(`the machine ended with ${code}`);
    });
  }

  /** The first line of the console that is as wanted, behind what was heard before. */
  async hears(wanted: RegExp, { withinMs }: { readonly withinMs: number }): Promise<string> {
    const said = this.console.slice(this.#heard).find((line) => wanted.test(line));
    if (said !== undefined) {
      this.#heard = this.console.indexOf(said, this.#heard) + 1;
      return said;
    }
    const line = new Promise<string>((resolve, reject) => {
      this.#waiting = { wanted, resolve, reject };
    });
    const timer = setTimeout(() => {
      this.#fail(`nothing like ${wanted} was heard in ${withinMs} ms`);
    }, withinMs);
    try {
      return await line;
    } finally {
      clearTimeout(timer);
      this.#waiting = null;
    }
  }

  /** What happens when somebody pulls the plug. */
  async cutPower(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null) return;
    const ended = once(child, 'close');
    child.kill('SIGKILL');
    await ended;
    this.#heard = this.console.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower();
  }

  #hear(text: string): void {
    const line = text.replaceAll('\r', '');
    this.console.push(line);
    if (this.#waiting?.wanted.test(line) !== true) return;
    this.#heard = this.console.length;
    this.#waiting.resolve(line);
    this.#waiting = null;
  }

  #fail(why: string): void {
    const last = this.console.slice(-40).join('\n');
    this.#waiting?.reject(new Error(`${why}; the console said last:\n${last}`));
  }
}

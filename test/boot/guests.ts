import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { squash } from './images.ts';
import { addBusybox, addFile, addProgram, debianRoot, tool } from './parts.ts';

const FILES = join(import.meta.dirname, 'guest');

export type RootContent = {
  /** The folder of `bootParts`. */
  readonly parts: string;
  /** agent.toml */
  readonly config: string;
  readonly trustAnchor: string;
  /** Whether the agent does not start in it. */
  readonly isMute: boolean;
};

/** What the virtual machine is a host of. */
export type Guest = {
  /** Of its agent.toml what is not the same for every guest. */
  readonly config: string;
  /** Whether it has releases without an agent, too. */
  readonly canBeMute: boolean;
  /** Writes the root file system of its releases. */
  readonly writeRoot: (path: string, content: RootContent) => Promise<void>;
};

/** The packaged agent, and a shell to start it. */
export function bareGuest(program: string): Guest {
  return {
    canBeMute: false,
    config: `[health]
command = ['/usr/libexec/is-well']
[reboot]
policy = 'automatic'
command = ['/bin/reboot', '-f']
`,
    writeRoot: async (path, { parts, config, trustAnchor }) => {
      const tree = `${path}.tree`;
      await addBusybox(tree, parts);
      await addProgram(tree, program, 'usr/bin/tidegate');
      await addFile(tree, join(FILES, 'init'), 'sbin/init');
      await addFile(tree, join(FILES, 'is-well'), 'usr/libexec/is-well');
      for (const folder of ['etc/tidegate', 'proc', 'sys', 'dev', 'run', 'var/lib/tidegate']) {
        await mkdir(join(tree, folder), { recursive: true });
      }
      await mkdir(join(tree, 'tmp'));
      await addConfig(tree, config, trustAnchor);
      await squash(tree, path);
    },
  };
}

const UNITS = 'etc/systemd/system';

/** Mounted over a root file system that cannot be written. */
const FSTAB = `tmpfs /tmp tmpfs mode=1777 0 0
tmpfs /var/tmp tmpfs mode=1777 0 0
tmpfs /var/log tmpfs mode=755 0 0
tmpfs /var/lib/systemd tmpfs mode=755 0 0
/dev/vda8 /var/lib/tidegate ext4 defaults 0 2
`;

const TEXTS: Readonly<Record<string, string>> = {
  'etc/fstab': FSTAB,
  'etc/machine-id': 'uninitialized\n',
  'etc/systemd/network/10-ether.network': '[Match]\nType=ether\n[Network]\nDHCP=ipv4\n',
  'etc/systemd/journald.conf.d/console.conf':
    '[Journal]\nStorage=volatile\nForwardToConsole=yes\nTTYPath=/dev/ttyS0\nMaxLevelConsole=info\n',
  [`${UNITS}/host-is-well.service`]: `[Unit]
Before=boot-complete.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/libexec/is-well
[Install]
RequiredBy=boot-complete.target
`,
  [`${UNITS}/say-release.service`]: `[Unit]
Before=host-is-well.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo "host: runs $(head -n 1 "$(cat /run/boot-device)")"'
[Install]
WantedBy=multi-user.target
`,
  [`${UNITS}/ask-daemon.service`]: `[Service]
Type=oneshot
ExecStart=/usr/libexec/ask-daemon
[Install]
WantedBy=multi-user.target
`,
  // A machine that emulates every instruction takes long to boot, and nobody wants to wait for two minutes more.
  [`${UNITS}/tidegate-agent-once.timer.d/soon.conf`]: `[Timer]
OnBootSec=
OnUnitInactiveSec=
OnActiveSec=1s
OnUnitInactiveSec=1s
RandomizedDelaySec=0
`,
};

export type DebianOptions = {
  /** What polls. */
  readonly polls: 'timer' | 'daemon';
  /** How long a release on trial may take to be found good, from the boot on; as the package has it unless it is given. */
  readonly deadline?: string;
};

/** A Debian with systemd, on which the Debian package is installed as in any image. */
export function debianGuest(deb: string, { polls, deadline }: DebianOptions): Guest {
  return {
    canBeMute: deadline !== undefined,
    config: "[reboot]\npolicy = 'automatic'\n[api]\nsocket = '/run/tidegate/api.sock'\n",
    writeRoot: async (path, { config, trustAnchor, isMute }) => {
      const tree = `${path}.tree`;
      await tool('cp', '-a', await debianRoot(), tree);
      await tool('find', join(tree, 'dev'), '-mindepth', '1', '-delete');
      await tool('dpkg', `--root=${tree}`, '--force-script-chrootless', '--install', deb);
      for (const program of ['is-well', 'ask-daemon']) {
        await addFile(tree, join(FILES, program), `usr/libexec/${program}`);
      }
      const texts = deadline === undefined ? TEXTS : { ...TEXTS, ...earlyDeadline(deadline) };
      for (const [name, text] of Object.entries(texts)) {
        await mkdir(dirname(join(tree, name)), { recursive: true });
        await writeFile(join(tree, name), text);
      }
      if (isMute) await writeFile(join(tree, 'usr/bin/tidegate'), 'no program');
      await addConfig(tree, config, trustAnchor);
      await mkdir(join(tree, 'var/lib/tidegate'), { recursive: true });
      const systemctl = (...verb: readonly string[]) =>
        tool('systemctl', `--root=${tree}`, ...verb);
      await systemctl('enable', 'systemd-networkd', 'host-is-well', 'say-release');
      if (polls === 'daemon') {
        await systemctl('disable', 'tidegate-agent-once.timer');
        await systemctl('enable', 'tidegate-agent-run.service', 'ask-daemon');
      }
      await squash(tree, path);
    },
  };
}

function earlyDeadline(deadline: string): Readonly<Record<string, string>> {
  const text = `[Timer]\nOnBootSec=\nOnBootSec=${deadline}\n`;
  return { [`${UNITS}/tidegate-agent-deadline.timer.d/early.conf`]: text };
}

async function addConfig(tree: string, config: string, trustAnchor: string): Promise<void> {
  await writeFile(join(tree, 'etc/tidegate/agent.toml'), config);
  await copyFile(trustAnchor, join(tree, 'etc/tidegate/root.json'));
}

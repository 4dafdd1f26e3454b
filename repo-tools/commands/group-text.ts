import type { GroupView } from '../../core/group-view.ts';

const SHOWN_VERSIONS = 5;

/** One line for a list: `name  hosts  versions  rules`. */
export function groupLine(group: GroupView): string {
  const { hosts, versions, rules } = group;
  const counts = versions.slice(0, SHOWN_VERSIONS).map((one) => `${one.version}: ${one.hosts}`);
  return [
    nameOf(group),
    hosts === null ? 'hosts only a server knows' : `${hosts} hosts`,
    ...(counts.length === 0 ? [] : [counts.join(', ')]),
    ...underWayTexts(group),
    ...Object.entries(rules).map(([key, value]) => `${key} ${JSON.stringify(value)}`),
  ].join('  ');
}

/** All that is known of a group, line by line. */
export function groupLines(group: GroupView): readonly string[] {
  const { hosts, versions, otherVersions, rules, freezes } = group;
  return [
    `${nameOf(group)}: ${hosts === null ? 'hosts only a server knows' : `${hosts} hosts`}`,
    ...versions.map(
      ({ variant, arch, version, hosts: count }) =>
        `  ${variant} ${arch} ${version}: ${count} hosts`,
    ),
    ...(otherVersions === 0 ? [] : [`  other versions: ${otherVersions} hosts`]),
    ...underWayTexts(group),
    ...Object.entries(rules).map(([key, value]) => `${key}: ${JSON.stringify(value)}`),
    ...freezes.map((freeze) => `freeze: ${JSON.stringify(freeze)}`),
  ];
}

function nameOf({ name }: GroupView): string {
  return name ?? '(in no group)';
}

function underWayTexts({ underWay }: GroupView): readonly string[] {
  return underWay.map(
    ({ rolloutId, version, hosts }) => `${hosts} under way to ${version} (rollout ${rolloutId})`,
  );
}

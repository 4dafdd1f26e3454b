/** A change of the good program, and the check that must find it. */
export type Fault = {
  readonly fault: string;
  /** A line of the good program, and what stands there in the faulty one. */
  readonly line: string;
  readonly instead: string;
  /** The check that must find it. */
  readonly check: string;
  readonly timeoutMs?: number;
};

export const FAULTS: readonly Fault[] = [
  {
    fault: 'says something else before its answer',
    line: 'trap unforeseen EXIT\n',
    instead: "trap unforeseen EXIT\necho 'slots 1.0'\n",
    check: 'state-is-well-formed',
  },
  {
    fault: 'never answers',
    line: 'trap unforeseen EXIT\n',
    instead: 'exec sleep 600\n',
    check: 'state-is-well-formed',
    timeoutMs: 500,
  },
  {
    fault: 'exits with 0 after an error',
    line: '"$protocol" "$1" "$2"\n  exit 1\n',
    instead: '"$protocol" "$1" "$2"\n  exit 0\n',
    check: 'refuses-nonsense',
  },
  {
    fault: 'takes keys that it does not know',
    line: '    refuse slots "the request is not one of $operation"\n',
    instead: '    true\n',
    check: 'refuses-nonsense',
  },
  {
    fault: 'does not say that it does not know a protocol',
    line: 'refuse unsupported "this is $protocol"',
    instead: 'refuse slots "this is $protocol"',
    check: 'says-what-it-does-not-know',
  },
  {
    fault: 'has state wait for its lock',
    line: "    must_be ''\n",
    instead: "    must_be ''\n    alone\n",
    check: 'answers-during-a-write',
    timeoutMs: 1500,
  },
  {
    fault: 'cannot clear what is clear',
    line: 'rm -f "$folder/seal" "$folder/seal.tmp"\n',
    instead: 'rm "$folder/seal"\n',
    check: 'clears',
  },
  {
    fault: 'leaves an image behind when it clears',
    line: '  rm -f "$folder"/*\n',
    instead: '  rm -f "$folder/boot.efi"\n',
    check: 'clears',
  },
  {
    fault: 'reads other bytes than it wrote',
    line: 'skip="$offset" count="$length" status=none\n',
    instead: 'skip="$offset" count="$length" status=none | tr x y\n',
    check: 'keeps-images',
  },
  {
    fault: 'has places for other images than it takes',
    line: 'places="\\"boot\\":$room"',
    instead: 'places="\\"kernel\\":$room"',
    check: 'keeps-images',
  },
  {
    fault: 'always reads from the beginning',
    line: 'skip="$offset" count="$length"',
    instead: 'skip=0 count="$length"',
    check: 'reads-parts',
  },
  {
    fault: 'reads what lies behind an image',
    line: '[ $((offset + length)) -le "$whole" ] || refuse slots "image $image has $whole bytes"\n',
    instead: '',
    check: 'refuses-to-read-beyond',
  },
  {
    fault: 'keeps the size of an image that it replaces',
    line: '  put "$folder/$image.size" "$size"\n',
    instead:
      '  [ -f "$folder/$image.seen" ] || put "$folder/$image.seen" "$size"; cp "$folder/$image.seen" "$folder/$image.size"\n',
    check: 'replaces-an-image',
  },
  {
    fault: 'takes an image that is cut off for whole',
    line: '[ "$copied" = "$2" ] || refuse image "there must be $2 bytes, got $copied"\n',
    instead: '',
    check: 'refuses-a-cut-image',
  },
  {
    fault: 'takes a seal that is cut off for whole',
    line: '[ "$copied" = "$2" ] || refuse image "there must be $2 bytes, got $copied"\n',
    instead: '',
    check: 'refuses-a-cut-seal',
  },
  {
    fault: 'finds out too late that there is no room',
    line: '  [ "$size" -le "$limit" ] || refuse full',
    instead: '  cat >/dev/null\n  [ "$size" -le "$limit" ] || refuse full',
    check: 'refuses-an-image-without-room',
    timeoutMs: 1500,
  },
  {
    fault: 'keeps a seal as text',
    line: 'seal=$(base64 -w 0 "$boot/tidegate/$1/seal")',
    instead: 'seal=$(tr -d "\\r" <"$boot/tidegate/$1/seal" | base64 -w 0)',
    check: 'keeps-the-seal',
  },
  {
    fault: 'writes into a sealed slot',
    line: '  [ ! -f "$folder/seal" ] || refuse slots "slot $slot is sealed"\n',
    instead: '',
    check: 'refuses-to-write-what-is-sealed',
  },
  {
    fault: 'activates a slot without seal',
    line: '  [ -f "$folder/seal" ] || [ "$slot" = "$(running)" ] || refuse slots "slot $slot is not sealed"\n',
    instead: '',
    check: 'refuses-to-activate-without-seal',
  },
  {
    fault: 'puts every slot on trial',
    line: 'if [ "$trial" = true ]; then counter=',
    instead: 'if true; then counter=',
    check: 'activates',
  },
  {
    fault: 'does not take an activation back',
    line: '  choose\n  if [ -n "$chosen" ] && [ "$(slot_of',
    instead:
      '  [ "$slot" != "$(running)" ] || return 0\n  choose\n  if [ -n "$chosen" ] && [ "$(slot_of',
    check: 'takes-an-activation-back',
  },
  {
    fault: 'forgets that a slot is good',
    line: '  rename "$entry_of_slot" "$good"\n',
    instead: '  good=$entry_of_slot\n',
    check: 'marks-good',
  },
  {
    fault: 'leaves a cleared slot the next to boot',
    line: '  drop_entries "$slot"\n  rm',
    instead: '  rm',
    check: 'clears-what-boots-next',
  },
  {
    fault: 'clears what runs',
    line: '  [ "$slot" != "$(running)" ] || refuse slots "slot $slot runs"\n',
    instead: '  :\n',
    check: 'protects-what-runs',
  },
  {
    fault: 'takes the seal off last',
    line: '  rm -f "$folder/seal" "$folder/seal.tmp"\n  durable "$folder"\n  rm -f "$folder"/*\n',
    instead: '  rm -f "$folder"/*.size\n  sleep 0.2\n  rm -f "$folder"/*\n',
    check: 'survives-a-kill-of-clear',
  },
  {
    fault: 'lists an image before it is whole',
    line: '  copy_to "$place" "$size"\n  durable "$folder"\n  put "$folder/$image.size" "$size"\n',
    instead: '  put "$folder/$image.size" "$size"\n  copy_to "$place" "$size"\n',
    check: 'survives-a-kill-of-write',
  },
  {
    fault: 'writes a seal in its place',
    line: '  copy_to "$folder/seal.tmp" "$size"\n  rename "$folder/seal.tmp" "$folder/seal"\n',
    instead: '  head -c 10 >"$folder/seal"\n  sleep 0.2\n  cat >>"$folder/seal"\n',
    check: 'survives-a-kill-of-seal',
  },
  {
    fault: 'takes the old choice away before there is a new one',
    line: '    put "$wanted" "$text"\n',
    instead:
      '    mkdir -p "$boot/old"; mv "$entries"/tidegate-* "$boot/old"\n    sleep 0.2\n    put "$wanted" "$text"\n',
    check: 'survives-a-kill-of-activate',
  },
  {
    fault: 'puts the slot that nobody asked for on trial for a while',
    line: '    put "$wanted" "$text"\n',
    instead:
      '    mv "$entries/tidegate-$other.conf" "$entries/tidegate-$other+3.conf"; sleep 0.2\n    put "$wanted" "$text"; mv "$entries/tidegate-$other+3.conf" "$entries/tidegate-$other.conf"\n',
    check: 'survives-a-kill-of-activate',
  },
  {
    fault: 'takes the old entries of a slot away before it has a new one',
    line: '    put "$wanted" "$text"\n',
    instead: '    drop_entries "$slot"\n    sleep 0.2\n    put "$wanted" "$text"\n',
    check: 'survives-a-kill-of-taking-back',
  },
  {
    fault: 'takes the old entries of a good slot away before it has a new one',
    line: '    put "$wanted" "$text"\n',
    instead: '    drop_entries "$slot"\n    sleep 0.2\n    put "$wanted" "$text"\n',
    check: 'survives-a-kill-of-going-back',
  },
  {
    fault: 'has a good slot on trial until it is the next to boot',
    line: '    put "$wanted" "$text"\n',
    instead:
      '    put "$entries/tidegate-$slot+3.conf" "$text"\n    drop_entries "$slot" "$entries/tidegate-$slot+3.conf"\n    sleep 0.2\n    mv "$entries/tidegate-$slot+3.conf" "$wanted"\n',
    check: 'survives-a-kill-of-going-back',
  },
  {
    fault: 'takes the new choice away before the old one is back',
    line: '  choose\n  if [ -n "$chosen" ] && [ "$(slot_of',
    instead:
      '  mkdir -p "$boot/old"; mv "$entries"/tidegate-* "$boot/old"; sleep 0.2; choose\n  if [ -n "$chosen" ] && [ "$(slot_of',
    check: 'survives-a-kill-of-taking-back',
  },
  {
    fault: 'takes a slot out of the choice to mark it',
    line: '  rename "$entry_of_slot" "$good"\n',
    instead:
      '  mv "$entry_of_slot" "$boot/chosen"\n  sleep 0.2\n  mv "$boot/chosen" "$entries/tidegate-$slot.conf"\n',
    check: 'survives-a-kill-of-mark-good',
  },
  {
    fault: 'forgets while it marks a slot that the other one is good',
    line: '  rename "$entry_of_slot" "$good"\n',
    instead:
      '  mv "$entries/tidegate-$other.conf" "$entries/tidegate-$other+3.conf"; sleep 0.2\n  rename "$entry_of_slot" "$good"; mv "$entries/tidegate-$other+3.conf" "$entries/tidegate-$other.conf"\n',
    check: 'survives-a-kill-of-mark-good',
  },
  {
    fault: 'forgets while it clears a slot that the other one is good',
    line: '  drop_entries "$slot"\n  rm',
    instead:
      '  mv "$entries/tidegate-$other.conf" "$entries/tidegate-$other+3.conf"; sleep 0.2\n  drop_entries "$slot"; mv "$entries/tidegate-$other+3.conf" "$entries/tidegate-$other.conf"\n  rm',
    check: 'survives-a-kill-of-clear',
  },
  {
    fault: 'forgets while it writes into a slot that the other one is good',
    line: '  copy_to "$place" "$size"\n  durable',
    instead:
      '  mv "$entries/tidegate-$other.conf" "$entries/tidegate-$other+3.conf"; copy_to "$place" "$size"\n  sleep 0.2; mv "$entries/tidegate-$other+3.conf" "$entries/tidegate-$other.conf"\n  durable',
    check: 'survives-a-kill-of-write',
  },
  {
    fault: 'forgets while it seals a slot that the other one is good',
    line: '  copy_to "$folder/seal.tmp" "$size"\n',
    instead:
      '  mv "$entries/tidegate-$other.conf" "$entries/tidegate-$other+3.conf"; copy_to "$folder/seal.tmp" "$size"\n  sleep 0.2; mv "$entries/tidegate-$other+3.conf" "$entries/tidegate-$other.conf"\n',
    check: 'survives-a-kill-of-seal',
  },
  {
    fault: 'writes into the running slot as well',
    line: '  copy_to "$place" "$size"\n  durable',
    instead: '  copy_to "$place" "$size"\n  echo x >"$devices/root-$other"\n  durable',
    check: 'leaves-the-running-slot-alone',
  },
];

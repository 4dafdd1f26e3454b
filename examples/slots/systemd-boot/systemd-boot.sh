#!/bin/sh
# Slots for `tidegate agent` on a host that systemd-boot boots, with its boot counting: speaks tidegate.slots/1, which
# docs/slots.md describes. Needs a POSIX shell, coreutils and util-linux.
#
#   [slots]
#   kind = 'command'
#   program = ['/usr/lib/tidegate/systemd-boot.sh', '/etc/tidegate/systemd-boot.conf']
#
# loader/loader.conf must say `default tidegate-*`: systemd-boot then takes the entry with the highest version of those that
# have tries left or need none. systemd-bless-boot.service must be masked, because the agent says when a boot was good.
#
#   loader/entries/tidegate-a.conf          slot a, found good
#   loader/entries/tidegate-b+2-1.conf      slot b on trial: booted once, two tries left
#   loader/entries/tidegate-b+2-1.conf.off  the same, taken back: systemd-boot does not see it
#   tidegate/b/boot.efi                     image `boot`, a unified kernel image
#   tidegate/b/root.size                    how many bytes of the partition root-b are image `root`
#   tidegate/b/seal                         the seal, last of all
set -eu
LC_ALL=C
export LC_ALL
config=$1
case $config in */*) ;; *) config=./$config ;; esac
# shellcheck source=systemd-boot.conf
. "$config"
# shellcheck source=protocol.sh
. "${0%/*}/protocol.sh"

entries=$boot/loader/entries
margin=1048576

is_full() {
  [ "$(free_bytes)" -lt "$margin" ]
}

free_bytes() {
  stat -f -c '%a %S' "$boot" | {
    read -r blocks block_size
    echo $((blocks * block_size))
  }
}

# Makes files and the names in folders durable.
durable() {
  sync "$@"
}

# put PATH TEXT: replaces a file in one step.
put() {
  printf '%s\n' "$2" >"$1.tmp"
  durable "$1.tmp"
  rename "$1.tmp" "$1"
}

# rename OLD NEW, in one folder
rename() {
  [ "$1" = "$2" ] || mv -T "$1" "$2"
  durable "${2%/*}"
}

# Where the slot of the request keeps its files, and its image its bytes.
locate() {
  folder=$boot/tidegate/$slot
  if [ "$image" = boot ]; then place=$folder/boot.efi; else place=$devices/$image-$slot; fi
}

# The slot that systemd-boot says it booted; nothing on a host that it did not boot from either.
running() {
  variable=$efivars/LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
  [ -f "$variable" ] || return 0
  # Four bytes of attributes, then UTF-16.
  case $(tail -c +5 "$variable" | tr -d '\0') in
  tidegate-a | tidegate-a[+.]*) echo a ;;
  tidegate-b | tidegate-b[+.]*) echo b ;;
  esac
}

version_of() {
  sed -n 's/^version //p' "$1"
}

# `chosen` is the entry that systemd-boot takes, empty if there is none.
choose() {
  chosen=
  for name in a b; do
    for entry in "$entries/tidegate-$name.conf" "$entries/tidegate-$name+"*.conf; do
      [ -f "$entry" ] || continue
      version=$(version_of "$entry")
      is_bad "$entry" && bad=1 || bad=0
      if [ -z "$chosen" ] || [ "$bad" -lt "$chosen_bad" ] ||
        { [ "$bad" -eq "$chosen_bad" ] && [ "$version" -gt "$chosen_version" ]; }; then
        chosen=$entry
        chosen_bad=$bad
        chosen_version=$version
      fi
    done
  done
}

is_bad() {
  case $1 in
  *+0.conf | *+0-*.conf) return 0 ;;
  *) return 1 ;;
  esac
}

# slot_of ENTRY
slot_of() {
  name=${1##*/tidegate-}
  printf %.1s "$name"
}

# find_entry SLOT: `entry_of_slot` says what the slot is, whether systemd-boot sees it or not; empty if it has none. It is the
# newest, because an activation that was interrupted may have left older ones beside it. `highest` is its version.
find_entry() {
  entry_of_slot=
  highest=0
  for entry in "$entries/tidegate-$1.conf" "$entries/tidegate-$1+"*.conf \
    "$entries/tidegate-$1.conf.off" "$entries/tidegate-$1+"*.conf.off; do
    [ -f "$entry" ] || continue
    version=$(version_of "$entry")
    if [ -z "$entry_of_slot" ] || [ "$version" -gt "$highest" ]; then
      entry_of_slot=$entry
      highest=$version
    fi
  done
}

# drop_entries SLOT [KEPT]: all of the slot but that one.
drop_entries() {
  for entry in "$entries/tidegate-$1.conf"* "$entries/tidegate-$1+"*; do
    [ "$entry" = "${2-}" ] || rm -f "$entry"
  done
  durable "$entries"
}

size_of_device() {
  if [ -b "$1" ]; then blockdev --getsize64 "$1"; else stat -L -c %s "$1"; fi
}

quoted_or_null() {
  if [ -n "$1" ]; then printf '"%s"' "$1"; else printf null; fi
}

# The state of one slot, as JSON.
state_of() {
  images=
  for file in "$boot/tidegate/$1/"*.size; do
    [ -f "$file" ] || continue
    read -r size <"$file" || continue
    name=${file##*/}
    images="$images,\"${name%.size}\":$size"
  done
  room=$((free - margin))
  if [ -f "$boot/tidegate/$1/boot.efi" ]; then
    room=$((room + $(stat -c %s "$boot/tidegate/$1/boot.efi")))
  fi
  [ "$room" -gt 0 ] || room=0
  places="\"boot\":$room"
  for device in "$devices"/*-"$1"; do
    [ -e "$device" ] || continue
    name=${device##*/}
    name=${name%-"$1"}
    case $name in
    boot | [!a-z]* | *[!a-z0-9_]* | ?????????????????????????????????*) continue ;;
    esac
    size=$(size_of_device "$device")
    room=$((room + size))
    places="$places,\"$name\":$size"
  done
  seal=
  if [ -f "$boot/tidegate/$1/seal" ]; then seal=$(base64 -w 0 "$boot/tidegate/$1/seal"); fi
  find_entry "$1"
  good=false
  failed=false
  case $entry_of_slot in
  */tidegate-$1.conf | */tidegate-$1.conf.off) good=true ;;
  *) ! is_bad "$entry_of_slot" || failed=true ;;
  esac
  printf '"%s":{"seal":%s,"images":{%s},"room":%s,"places":{%s},"good":%s,"failed":%s}' \
    "$1" "$(quoted_or_null "$seal")" "${images#,}" "$room" "$places" "$good" "$failed"
}

state() {
  choose
  next=
  [ -z "$chosen" ] || next=$(slot_of "$chosen")
  free=$(free_bytes)
  result "$(printf '{"running":%s,"next":%s,"slots":{%s,%s}}' "$(quoted_or_null "$(running)")" \
    "$(quoted_or_null "$next")" "$(state_of a)" "$(state_of b)")"
}

# One operation that changes slots at a time, also if an agent was killed and its program was not.
alone() {
  for made in "$boot/loader" "$entries" "$boot/tidegate" "$boot/tidegate/a" "$boot/tidegate/b"; do
    [ -d "$made" ] || mkdir "$made" 2>/dev/null || [ -d "$made" ]
  done
  durable "$boot" "$boot/tidegate" "$boot/loader"
  exec 9>>"$boot/tidegate/lock"
  flock 9
}

must_not_run() {
  [ "$slot" != "$(running)" ] || refuse slots "slot $slot runs"
}

# The choice first, then the seal, then the bytes: at no time is a slot chosen that is not whole.
clear() {
  must_not_run
  drop_entries "$slot"
  rm -f "$folder/seal" "$folder/seal.tmp"
  durable "$folder"
  rm -f "$folder"/*
  durable "$folder"
}

write() {
  must_not_run
  [ ! -f "$folder/seal" ] || refuse slots "slot $slot is sealed"
  if [ "$image" = boot ]; then
    limit=$(($(free_bytes) - margin))
    [ ! -f "$place" ] || limit=$((limit + $(stat -c %s "$place")))
  else
    [ -e "$place" ] || refuse slots "there is no partition $place"
    limit=$(size_of_device "$place")
  fi
  [ "$size" -le "$limit" ] || refuse full "image $image needs $size bytes, there is room for $limit"
  rm -f "$folder/$image.size"
  durable "$folder"
  [ "$image" != boot ] || rm -f "$place"
  copy_to "$place" "$size"
  durable "$folder"
  put "$folder/$image.size" "$size"
}

# copy_to PATH SIZE: exactly so many bytes of stdin, durable.
copy_to() {
  said=$(dd of="$1" bs=1M count="$2" iflag=fullblock,count_bytes conv=notrunc,fsync 2>&1) || {
    case $said in
    *'No space left'*) refuse full "there is no room left for $1" ;;
    esac
    printf '%s\n' "$said" >&2
    refuse disk "writing $1 failed"
  }
  copied=$(printf '%s\n' "$said" | sed -n 's/^\([0-9]*\) bytes\{0,1\} .*/\1/p')
  [ "$copied" = "$2" ] || refuse image "there must be $2 bytes, got $copied"
}

# What is read comes from the medium: the page cache is dropped before.
read_image() {
  read -r whole <"$folder/$image.size" || refuse image "slot $slot has no whole image $image"
  [ $((offset + length)) -le "$whole" ] || refuse slots "image $image has $whole bytes"
  dd if="$place" iflag=nocache count=0 status=none
  result '{}'
  dd if="$place" bs=1M iflag=fullblock,skip_bytes,count_bytes skip="$offset" count="$length" status=none
}

seal() {
  rm -f "$folder/seal.tmp"
  copy_to "$folder/seal.tmp" "$size"
  rename "$folder/seal.tmp" "$folder/seal"
}

# One rename makes the entry of the slot the chosen one: it has the highest version. What else the slot had goes when that is
# durable, so at no time is a slot that was there to boot without an entry, or one that was good on trial.
activate() {
  [ -f "$folder/seal" ] || [ "$slot" = "$(running)" ] || refuse slots "slot $slot is not sealed"
  counter=
  if [ "$trial" = true ]; then counter=+$tries; fi
  wanted=$entries/tidegate-$slot$counter.conf
  choose
  if [ -n "$chosen" ] && [ "$(slot_of "$chosen")" = "$slot" ] && ! is_bad "$chosen"; then
    rename "$chosen" "$wanted"
  else
    find_entry "$other"
    highest_of_other=$highest
    find_entry "$slot"
    [ "$highest" -gt "$highest_of_other" ] || highest=$highest_of_other
    text=$(new_entry $((highest + 1)))
    put "$wanted" "$text"
  fi
  drop_entries "$slot" "$wanted"
  if [ "$slot" = "$(running)" ]; then
    for entry in "$entries/tidegate-$other.conf" "$entries/tidegate-$other+"*.conf; do
      [ ! -f "$entry" ] || rename "$entry" "$entry.off"
    done
  fi
}

# new_entry VERSION
new_entry() {
  echo "title Tidegate, slot $slot"
  echo 'sort-key tidegate'
  echo "version $1"
  echo "efi /tidegate/$slot/boot.efi"
  echo "options $options" | sed "s/@slot@/$slot/g"
}

mark_good() {
  find_entry "$slot"
  case $entry_of_slot in
  '' | *.off) refuse slots "slot $slot is not activated" ;;
  esac
  good=$entries/tidegate-$slot.conf
  rename "$entry_of_slot" "$good"
  drop_entries "$slot" "$good"
}

serve

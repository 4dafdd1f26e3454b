#!/bin/sh
# Stands for a program of `command` slots, which is its first argument then, or by its own name for one that this runs. Counts
# them all in the file `count` of $TOOLS, and disturbs one of them:
#
#   inject.N     what strace is told for the program with this number, in words
#   inject.rest  the same for all whose number is higher than that in `last`
#   kill         what is killed once strace has killed the program: `group`, or `agent` and group
name=${0##*/}
if [ "$name" = slots-tool.sh ]; then
  program=$1
  shift
  AGENT=$PPID
  export AGENT
else
  # Behind the folder of these stand-ins.
  PATH=${PATH#*:}
  program=$name
fi
number=0
[ ! -e "$TOOLS/count" ] || read -r number <"$TOOLS/count"
number=$((number + 1))
echo "$number" >"$TOOLS/count"
plan=$TOOLS/inject.$number
if [ ! -e "$plan" ] && [ -e "$TOOLS/last" ]; then
  read -r last <"$TOOLS/last"
  [ "$number" -le "$last" ] || plan=$TOOLS/inject.rest
fi
[ -e "$plan" ] || exec "$program" "$@"
# The script makes paths with a star in them where there is no file.
set -f
# shellcheck disable=SC2046
strace -qqq -A -o "$TOOLS/log" $(cat "$plan") "$program" "$@"
code=$?
if [ -e "$TOOLS/kill" ]; then
  read -r killed <"$TOOLS/kill"
  [ "$killed" != agent ] || kill -KILL "$AGENT"
  kill -KILL 0
fi
exit $code

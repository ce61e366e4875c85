#!/bin/sh
# Has systemd read each unit, with /bin/true in place of binaries that are not installed here: any
# word of complaint fails. Then holds each against the exposure that is allowed, which a unit that has to
# be root names itself. For `make unit-check`.
set -eu
exposure_max_tenths=12
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for unit in *.service *.path; do
  sed -E 's,/usr/bin/ringway[a-z-]*,/bin/true,' "$unit" > "$work/$unit"
done
complaints=$(systemd-analyze verify "$work"/*.service "$work"/*.path 2>&1) || complaints="refused: $complaints"
if [ -n "$complaints" ]; then
  echo "$complaints" >&2
  exit 1
fi

for unit in *.service; do
  own=$(sed -n 's/^# exposure: \([0-9]*\)$/\1/p' "$unit")
  max=${own:-$exposure_max_tenths}
  if ! systemd-analyze security --offline=yes --no-pager --threshold=$max \
    "$unit" > "$work/report"; then
    cat "$work/report"
    echo "$unit: more exposed than $max tenths" >&2
    exit 1
  fi
  grep Overall "$work/report"
done

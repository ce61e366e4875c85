#!/bin/bash
# Installs the gateway into a freshly booted Debian and sees that the service does there what its unit
# promises: ready, confined, watched, reloaded, restarted, stopped. For `make box-test`:
#   tests/box/box-test.sh BIN_DIR [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/box/box.sh
. tests/box/box.sh

bin_dir=$1
box=$(realpath -m "${2:-target/box/debian}")
service=ringway
portal_port=8086
passed=0 failed=0

# check WHAT CMD …: CMD must succeed.
check() {
  local what=$1
  shift
  if "$@" > "$box.check" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $what"
  else
    failed=$((failed + 1))
    echo "FAILED  $what"
    sed 's/^/        /' "$box.check"
  fi
}

# refused CMD …: CMD must fail.
refused() { ! "$@"; }

# within SECONDS CMD …: CMD must succeed before the time is over.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= end)); then return 1; fi
    sleep 0.2
  done
}

property() { in_box systemctl show --property="$1" --value "$service"; }
is() { [ "$(property "$1")" = "$2" ] || { property "$1"; return 1; }; }
in_service() { nsenter --target "$(outer_pid)" --mount --root --wd -- "$@"; }
log() { in_box journalctl --unit="$service" --output=cat --no-pager; }
logged() { log | grep -E -e "$1"; }
listens() { in_box ss -Hltn "sport = :$portal_port" | grep -q LISTEN; }
alive() { in_box curl --silent --max-time 2 --fail --insecure "https://127.0.0.1:$portal_port/livez"; }
restarted_after() { is NRestarts $(($1 + 1)) && is ActiveState active && is SubState running; }

# The main process as this machine numbers it.
outer_pid() {
  local inner
  inner=$(property MainPID)
  grep -l -E "^NSpid:.*\s$inner\$" /proc/[0-9]*/status 2> /dev/null | while read -r status; do
    if [ "$(readlink "${status%status}ns/pid")" = "$(readlink "/proc/$box_leader/ns/pid")" ]; then
      echo "$status" | cut -d/ -f3
    fi
  done | head -1
}

process_is() { grep -E -e "$1" "/proc/$(outer_pid)/status"; }

has_user() { [ "$(in_box stat -c %U "/proc/$(property MainPID)")" = "$service" ]; }

signal() { in_box kill "-$1" "$(property MainPID)"; }

same_process_after_reload() {
  local before
  before=$(property MainPID)
  in_box systemctl reload "$service" && is MainPID "$before" && within 5 is SubState running
}

bad_file_is_refused_and_the_old_settings_stay() {
  local before config=/etc/$service/$service.toml
  before=$(property MainPID)
  in_box cp "$config" "$config.good"
  in_box sh -c "echo 'no-such-key = 1' >> $config"
  refused in_box systemctl reload "$service" && is MainPID "$before" && is ActiveState active
}

a_start_with_it_fails_for_good() {
  refused in_box systemctl restart "$service" && is ExecMainStatus 78 && within 5 is ActiveState failed
}

the_good_file_starts_again() {
  in_box mv "/etc/$service/$service.toml.good" "/etc/$service/$service.toml"
  in_box systemctl reset-failed "$service"
  in_box systemctl start "$service"
}

# What is wrong with the file is said before there is a log, and begins with the file.
every_line_has_a_utc_time() {
  local lines
  lines=$(in_box journalctl --output=cat --no-pager "_SYSTEMD_UNIT=$service.service" "_COMM=$service")
  [ -n "$lines" ] && ! grep -v -E '^/etc/|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z' <<< "$lines"
}

box_make "$box"
make --no-print-directory install BIN_DIR="$bin_dir" DESTDIR="$box"
install -D -m 0600 /dev/stdin "$box/etc/$service/credentials/uplink-token" <<< 'a-token-for-the-box-test'
systemctl --quiet --root="$box" enable "$service"
trap 'box_stop; rm -rf "$box" "$box.check"' EXIT
box_boot "$box"

check "is ready (READY=1)" within 30 is ActiveState active
check "listens on $portal_port" within 5 listens
check "answers /livez" within 5 alive
check "runs as its own user" has_user
check "has no capability" process_is '^CapEff:\s0+$'
check "gains no privilege" process_is '^NoNewPrivs:\s1$'
check "has its system calls filtered" process_is '^Seccomp:\s2$'
check "cannot write to /etc" refused in_service touch /etc/escaped
check "cannot write to /usr" refused in_service touch /usr/escaped
check "can write to its state" in_service touch "/var/lib/$service/probe"
check "keeps its state to itself" test "$(stat -c %a "$box/var/lib/$service")" = 700
check "gets its token from systemd" in_service grep -q for-the-box "/run/credentials/$service.service/uplink-token"
check "reloads in place" same_process_after_reload
check "a bad file is refused by reload" bad_file_is_refused_and_the_old_settings_stay
check "a bad file ends a start with 78, once" a_start_with_it_fails_for_good
check "the good file starts again" the_good_file_starts_again

restarts=$(property NRestarts)
signal KILL
check "kill -9: is started anew" within 15 restarted_after "$restarts"
check "kill -9: answers again" within 10 alive

restarts=$(property NRestarts)
signal STOP
check "frozen: the watchdog starts it anew" within 60 restarted_after "$restarts"
check "frozen: the journal says so" logged 'Watchdog timeout'

check "every log line has its UTC time" every_line_has_a_utc_time
check "stops" in_box systemctl stop "$service"
check "stopped cleanly" is Result success
check "stopped with status 0" is ExecMainStatus 0

if ((failed)); then log | tail -100; fi
echo "$passed passed, $failed failed"
((failed == 0))

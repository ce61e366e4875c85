#!/bin/bash
# Installs the gateway and the far end into a freshly booted Debian and sees that the services do there
# what their units promise: ready, confined, watched, reloaded, restarted, stopped; and that a call on a
# simulated PBX reaches the far end. For `make box-test`:
#   tests/box/box-test.sh BIN_DIR [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/box/box.sh
. tests/box/box.sh

bin_dir=$1
box=$(realpath -m "${2:-target/box/debian}")
service=ringway port=8086
uplink_token=uplink-token-of-the-box-test application_token=application-token-of-the-box-test
passed=0 failed=0 complete=''

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
listens() { in_box ss -Hltn "sport = :$port" | grep -q LISTEN; }
fetch() { in_box curl --silent --max-time 2 --fail --insecure "$@"; }
answers() { fetch "https://localhost:$port/$1"; }
alive() { answers livez; }
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

is_read_only() {
  local said
  said=$(in_service touch "$1/escaped" 2>&1) || true
  echo "$said"
  [[ $said == *"Read-only file system"* ]]
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

far_end_calls() {
  fetch --header "Authorization: Bearer $application_token" https://localhost:8443/2017-09-01/calls
}
far_end_knows() { far_end_calls | grep -q "$1"; }

check_confinement() {
  check "$service: runs as its own user" has_user
  check "$service: has no capability" process_is '^CapEff:\s0+$'
  check "$service: gains no privilege" process_is '^NoNewPrivs:\s1$'
  check "$service: has its system calls filtered" process_is '^Seccomp:\s2$'
  check "$service: cannot write to /etc" is_read_only /etc
  check "$service: cannot write to /usr" is_read_only /usr
  check "$service: can write to its state" in_service touch "/var/lib/$service/probe"
  check "$service: keeps its state to itself" test "$(stat -c %a "$box/var/lib/$service")" = 700
}

check_stop() {
  check "$service: stops" in_box systemctl stop "$service"
  check "$service: stopped cleanly" is Result success
  check "$service: stopped with status 0" is ExecMainStatus 0
}

# The far end knows one gateway and one application; the gateway knows the far end on this box.
configure() {
  install -D -m 0600 /dev/stdin "$box/etc/ringway/credentials/uplink-token" <<< "$uplink_token"
  install -D -m 0644 /dev/stdin "$box/etc/ringway/cloud-tokens/gw-1" <<< "$uplink_token"
  install -D -m 0644 /dev/stdin "$box/etc/ringway/cloud-tokens/crm" <<< "$application_token"
  cat >> "$box/etc/ringway/ringway-cloud.toml" << 'EOF'
[[gateways]]
account-id = "my-account"
site-id = "main"
gateway-id = "gw-1"
token-file = "/etc/ringway/cloud-tokens/gw-1"
[[applications]]
name = "crm"
account-id = "my-account"
token-file = "/etc/ringway/cloud-tokens/crm"
EOF
  sed -i -e 's,^address = .*,address = "127.0.0.1:8882",' \
    -e 's,^url = .*,url = "wss://localhost:8443/gateway/v1/channel"\nca-file = "/etc/ringway/far-end.pem",' \
    "$box/etc/ringway/ringway.toml"
}

# Shows the log of what did not go well, and leaves nothing behind.
finish() {
  if ((failed)) || [ -z "$complete" ]; then
    in_box journalctl --output=cat --no-pager --unit='ringway*' --unit=pbx-sim | tail -100
  fi
  box_stop
  rm -rf "$box" "$box.check"
}

box_make "$box"
make --no-print-directory install install-cloud BIN_DIR="$bin_dir" DESTDIR="$box"
install -m 0755 "$bin_dir/ringway-pbx-sim" "$box/usr/bin/"
configure
systemctl --quiet --root="$box" enable ringway-cloud
trap finish EXIT
box_boot "$box"

service=ringway-cloud port=8443
check "$service: runs" within 30 is ActiveState active
check "$service: answers /livez" within 10 alive
check_confinement

in_box install -m 0644 /var/lib/ringway-cloud/tls.crt /etc/ringway/far-end.pem
in_box systemd-run --quiet --unit=pbx-sim ringway-pbx-sim run --extensions 2000-2099
service=ringway port=8086
check "$service: starts (READY=1)" in_box systemctl enable --now --quiet "$service"
check "$service: answers /livez" alive
check "$service: has its PBX and its far end (/readyz)" within 15 answers readyz
check "$service: gets its token from systemd" \
  in_service grep -q "$uplink_token" /run/credentials/ringway.service/uplink-token
check_confinement
check "a call on the PBX" in_box ringway-pbx-sim call 2001 2002
check "the call is known at the far end" within 10 far_end_knows 2002

check "reload: in place" same_process_after_reload
check "reload: a bad file is refused, the old settings stay" bad_file_is_refused_and_the_old_settings_stay
check "start: a bad file ends it with 78, once" a_start_with_it_fails_for_good
check "start: the good file starts again" the_good_file_starts_again

restarts=$(property NRestarts)
signal KILL
check "kill -9: is started anew" within 15 restarted_after "$restarts"
check "kill -9: has its PBX and its far end again" within 15 answers readyz

restarts=$(property NRestarts)
signal STOP
check "frozen: the watchdog starts it anew" within 60 restarted_after "$restarts"
check "frozen: the journal says so" logged 'Watchdog timeout'
check "frozen: has its PBX and its far end again" within 15 answers readyz
check "the call is still known at the far end" far_end_knows 2002

check "every log line has its UTC time" every_line_has_a_utc_time
check_stop
service=ringway-cloud
check_stop

complete=yes
echo "$passed passed, $failed failed"
((failed == 0))

# A Debian 12 with a booted systemd in a container of this machine: sourced by box-test.sh.
# Needs root, mmdebstrap and systemd-nspawn; neither machined nor D-Bus on this machine. The box has
# a loopback of its own and no other network.
#
#   box_make FOLDER    a fresh root file system; the first one is kept as FOLDER.base
#   box_boot FOLDER    starts it and waits until systemd has come up
#   in_box CMD …       runs a command inside
#   box_stop           powers it off

box_packages=systemd,systemd-sysv,dbus,iproute2,procps,ca-certificates,curl
box_leader='' box_nspawn=''

box_make() {
  local folder=$1 base=$1.base
  if [ ! -e "$base/etc/debian_version" ]; then
    rm -rf "$base"
    mkdir -p "$(dirname "$base")"
    mmdebstrap --quiet --variant=minbase --mode=root --include="$box_packages" bookworm "$base"
    echo box > "$base/etc/hostname"
    printf '127.0.0.1 localhost box\n::1 localhost\n' > "$base/etc/hosts"
    : > "$base/etc/fstab"
    rm -f "$base/usr/sbin/policy-rc.d"
    mkdir -p "$base/var/log/journal"
    systemctl --quiet --root="$base" mask systemd-networkd-wait-online.service getty@tty1.service \
      console-getty.service
  fi
  rm -rf "$folder"
  cp -a --reflink=auto "$base" "$folder"
}

box_boot() {
  local folder=$1 tries
  # The console is kept beside the box for whoever has to find out why it did not come up.
  systemd-nspawn --quiet --boot --directory="$folder" --register=no --keep-unit --private-network \
    --console=pipe --rlimit=RLIMIT_NOFILE=65536 < /dev/null > "$folder.console" 2>&1 &
  box_nspawn=$!
  for ((tries = 0; tries < 100; tries++)); do
    box_leader=$(pgrep --parent "$box_nspawn" --exact systemd | head -1) || true
    if [ -n "$box_leader" ]; then break; fi
    sleep 0.1
  done
  for ((tries = 0; tries < 300; tries++)); do
    case $(in_box systemctl is-system-running 2> /dev/null) in
      running | degraded) return 0 ;;
    esac
    sleep 0.1
  done
  echo "the box did not come up: $folder.console" >&2
  return 1
}

in_box() {
  nsenter --target "$box_leader" --mount --uts --ipc --net --pid --root --wd -- \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb "$@"
}

box_stop() {
  local tries
  if [ -z "$box_nspawn" ] || ! kill -0 "$box_nspawn" 2> /dev/null; then return 0; fi
  in_box systemctl poweroff --no-block || true
  for ((tries = 0; tries < 150; tries++)); do
    kill -0 "$box_nspawn" 2> /dev/null || return 0
    sleep 0.1
  done
  kill "$box_nspawn"
}

#!/bin/sh
# Puts one service onto a machine: binary, unit, user, folders, and its configuration file unless
# there is one already. For `make install`:
#   systemd/install.sh SERVICE BIN_DIR DESTDIR PREFIX
set -eu
service=$1 bin_dir=$2 destdir=$3 prefix=$4
cd "$(dirname "$0")/.."

install -D -m 0755 "$bin_dir/$service" "$destdir$prefix/bin/$service"

unit="$destdir$prefix/lib/systemd/system/$service.service"
install -D -m 0644 "systemd/$service.service" "$unit"
# What sets the box's address for the gateway, where systemd-networkd does that.
for beside in "systemd/$service-network".*; do
  [ -e "$beside" ] || continue
  install -D -m 0644 -t "$destdir$prefix/lib/systemd/system" "$beside"
  sed -i "s,/usr/bin/ringway,$prefix/bin/ringway," "$destdir$prefix/lib/systemd/system/${beside#systemd/}"
done
sed -i "s,/usr/bin/ringway,$prefix/bin/ringway,; s,/usr/share/doc/,$prefix/share/doc/," "$unit"
for kind in sysusers tmpfiles; do
  install -D -m 0644 "systemd/$kind.d/$service.conf" "$destdir$prefix/lib/$kind.d/$service.conf"
done
install -D -m 0644 -t "$destdir$prefix/share/doc/$service" README.md LICENSE-MIT LICENSE-APACHE

config="$destdir/etc/ringway/$service.toml"
if [ -e "$config" ]; then
  echo "kept $config"
else
  install -D -m 0644 "config/$service.toml" "$config"
fi

if [ -z "$destdir" ]; then
  systemd-sysusers "$service.conf"
  systemd-tmpfiles --create "$service.conf"
  systemctl daemon-reload
  echo "edit $config, put the tokens where it says, then: systemctl enable --now $service"
fi

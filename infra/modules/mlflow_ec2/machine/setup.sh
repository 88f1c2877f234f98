#!/usr/bin/env bash
# Turns a fresh Debian 12 into the MLflow machine: packages, data volume, Python environment, services. Run by
# mlflow-setup.service as root until it ends well once; every step may be run again. Settings come from machine.env.
set -euo pipefail

here=/opt/mlflow-machine
venv=/opt/mlflow
data=/srv/data

say() { printf '%s\n' "$*"; }

install_packages() {
  say "Installing Debian's packages."
  export DEBIAN_FRONTEND=noninteractive
  # Debian's own timers may be at it at the same moment; a settings file that is there already stays.
  local apt=(apt-get -y -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5 -o Dpkg::Options::=--force-confold)
  # Without this option a list that cannot be had is a warning, and the old one is used.
  "${apt[@]}" -o APT::Update::Error-Mode=any update
  "${apt[@]}" install --no-install-recommends python3-venv caddy unattended-upgrades
}

# Prints the device of the data volume. Terraform attaches it only once the machine runs, so it may take a while.
# https://docs.aws.amazon.com/ebs/latest/userguide/identify-nvme-ebs-device.html
find_volume() {
  local serial tries device
  serial=${MACHINE_VOLUME_ID/-/}
  for ((tries = 0; tries < 300; tries++)); do
    for device in /dev/disk/by-id/nvme-*_"$serial"; do
      if [ -b "$device" ]; then
        readlink -f "$device"
        return
      fi
    done
    sleep 2
  done
  say "The data volume $MACHINE_VOLUME_ID is not attached after ten minutes." >&2
  return 1
}

mount_data() {
  say "Waiting for the data volume $MACHINE_VOLUME_ID."
  local device found=0 uuid
  device=$(find_volume)
  # 2 says that there is no signature of anything: only then is it blank. Whatever else is there is somebody's data.
  blkid -p "$device" || found=$?
  if [ "$found" -eq 2 ]; then
    say "It is blank; making a file system."
    mkfs.ext4 -q -L mlflow-data "$device"
  elif [ "$found" -ne 0 ]; then
    say "What is on $device cannot be told (blkid: $found); it is left alone." >&2
    return 1
  fi
  uuid=$(blkid -p -o value -s UUID "$device")
  if ! grep -q "^UUID=$uuid " /etc/fstab; then
    # nofail: a machine without its volume still boots, so that it can be looked at; MLflow does not start then.
    printf 'UUID=%s %s ext4 %s 0 2\n' "$uuid" "$data" \
      defaults,nofail,nosuid,nodev,noexec,x-systemd.device-timeout=10min,x-systemd.growfs >>/etc/fstab
  fi
  mkdir -p "$data"
  systemctl daemon-reload
  mountpoint -q "$data" || systemctl start "$(systemd-escape --path --suffix=mount "$data")"
  mountpoint -q "$data"
}

make_users() {
  id -u mlflow >/dev/null 2>&1 || useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin mlflow
  install -d -m 0755 "$data"
  local user
  for user in mlflow caddy; do
    install -d -m 0700 -o "$user" -g "$user" "$data/$user"
    # A volume that served another machine carries the numbers that these users had there.
    chown -R --no-dereference "$user:$user" "$data/$user"
  done
}

install_mlflow() {
  say "Installing MLflow."
  [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
  # Exactly what requirements.txt says and nothing else; a package that would have to be built here is refused.
  "$venv/bin/pip" install --quiet --no-input --disable-pip-version-check --no-cache-dir --no-deps --only-binary :all: \
    --retries 10 -r "$here/requirements.txt"
  "$venv/bin/pip" check
}

start_services() {
  say "Starting the services."
  install -m 0644 "$here/Caddyfile" /etc/caddy/Caddyfile
  systemctl daemon-reload
  systemctl restart systemd-journald
  systemctl enable mlflow.service mlflow-backup.timer caddy.service
  systemctl restart mlflow.service mlflow-backup.timer caddy.service
}

main() {
  # Somebody who runs this elsewhere by mistake has no such settings, and gets no further.
  : "${MACHINE_VOLUME_ID:?is not set: this is run by mlflow-setup.service}"
  install_packages
  mount_data
  make_users
  install_mlflow
  start_services
  touch "$here/ready"
  say "The machine is set up."
}

# Whoever only wants some of the steps reads this file in instead of running it.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  main
fi

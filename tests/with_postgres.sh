#!/usr/bin/env bash
# Runs a command beside a PostgreSQL of its own, whose URL is in SLUICE_TEST_POSTGRES:
#     tests/with_postgres.sh cargo test …
# The cluster lives in a folder of its own, on a free port of the loopback, as an unprivileged user.
set -euo pipefail

# Debian keeps these out of the path.
bin() {
    ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1
}

if [ -z "$(bin)" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # No cluster of the system's: only the programs are wanted.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql >/dev/null
fi
bin=$(bin)
if [ -z "$bin" ]; then
    echo "These tests need PostgreSQL's server programs; on Debian: apt-get install postgresql" >&2
    exit 1
fi

# In memory if there is enough: tests make and drop hundreds of databases.
place=${TMPDIR:-/tmp}
free=$(df --output=avail -k /dev/shm 2>/dev/null | tail -1)
[ "${free:-0}" -gt 4000000 ] && [ -w /dev/shm ] && place=/dev/shm

# PostgreSQL refuses to run as root.
as=()
folder=$(mktemp -d "$place/sluice-postgres.XXXXXX")
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
finish() {
    (cd "$folder" && "${as[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1) || true
    rm -rf "$folder"
}
trap finish EXIT

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

(
    cd "$folder"
    "${as[@]}" "$bin/initdb" -D data -U sluice -A trust -E UTF8 --locale=C.UTF-8 --no-sync >initdb.log
    # What is lost with the machine may be lost: these are tests.
    cat >>data/postgresql.conf <<CONF
listen_addresses = '127.0.0.1'
port = $(free_port)
unix_socket_directories = ''
fsync = off
full_page_writes = off
max_connections = 400
shared_buffers = 64MB
log_min_messages = error
CONF
    "${as[@]}" "$bin/pg_ctl" -D data -l log -w start >/dev/null
)
# To stop it and start it again: what pg_ctl shall do is put behind this.
export SLUICE_TEST_POSTGRES_CONTROL="cd $folder && ${as[*]} $bin/pg_ctl -D $folder/data -l $folder/log"
port=$(sed -n 4p "$folder/data/postmaster.pid")
export SLUICE_TEST_POSTGRES="postgres://sluice@127.0.0.1:$port"
"$@"

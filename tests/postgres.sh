#!/bin/sh
# A throwaway PostgreSQL cluster for the tests, on a Unix socket in a directory of its own.
#   tests/postgres.sh install                     installs the server from Debian's packages when it is missing
#   tests/postgres.sh start DIRECTORY [durable [PID]]   makes the cluster when it is missing, starts it, and prints how
#                                                 to connect; ends it and removes the directory when the process ends
#   tests/postgres.sh stop DIRECTORY [MODE]       ends it: fast (the default), smart or immediate
# Without "durable" nothing is flushed: quick, and of no use to a test of durability. A root user's cluster runs as the
# user postgres, or nobody, since initdb refuses root.
set -eu

find_bin() {
    for bin in ${LEDGER_POSTGRES_BIN:-} $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) \
        "$(dirname "$(command -v initdb || echo /none/initdb)")"; do
        if [ -x "$bin/initdb" ] && [ -x "$bin/pg_ctl" ]; then
            echo "$bin"
            return
        fi
    done
}

unprivileged() { # runs a command as a user that initdb takes
    if [ "$(id -u)" != 0 ]; then
        "$@"
    else
        setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@"
    fi
}

usage() {
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 1 ] || usage
bin=$(find_bin)
if [ "$1" = install ]; then
    [ -z "$bin" ] || exit 0
    if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
    # The package would start a cluster of its own, which nobody needs.
    $sudo mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo 'create_main_cluster = false' | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
    $sudo apt-get update -q >&2
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql >&2
    exit 0
fi

[ $# -ge 2 ] || usage
if [ -z "$bin" ]; then
    echo "PostgreSQL is not installed: tests/postgres.sh install" >&2
    exit 5
fi

user=postgres
id "$user" >/dev/null 2>&1 || user=nobody
directory=$2
cd /
case "$1" in
    start)
        mkdir -p "$directory"
        if [ "$(id -u)" = 0 ]; then chown "$user" "$directory"; fi
        if [ ! -d "$directory/data" ]; then
            unprivileged "$bin/initdb" -D "$directory/data" -U ledger --auth=trust --encoding=UTF8 --locale=C \
                --no-sync --no-instructions >"$directory/initdb.log" 2>&1 ||
                { cat "$directory/initdb.log" >&2; exit 1; }
        fi
        options="-c listen_addresses= -c unix_socket_directories=$directory -c max_connections=300"
        options="$options -c shared_buffers=128MB -c max_wal_size=4GB"
        if [ "${3:-}" != durable ]; then
            options="$options -c fsync=off -c full_page_writes=off"
        fi
        unprivileged "$bin/pg_ctl" -D "$directory/data" -l "$directory/log" -w -t 60 -o "$options" start >/dev/null ||
            { tail "$directory/log" >&2; exit 1; }
        if [ -n "${4:-}" ]; then
            setsid sh -c 'tail --pid="$1" -f /dev/null; "$2" stop "$3" immediate; rm -rf "$3"' \
                sh "$4" "$0" "$directory" >/dev/null 2>&1 </dev/null &
        fi
        echo "Host=$directory;Username=ledger;Database=postgres"
        ;;
    stop) unprivileged "$bin/pg_ctl" -D "$directory/data" -m "${3:-fast}" -w stop >/dev/null ;;
    *) usage ;;
esac

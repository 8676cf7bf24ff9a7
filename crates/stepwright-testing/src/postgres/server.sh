# A throw-away PostgreSQL server for tests: `sh server.sh PROGRAMS`, where PROGRAMS is the directory
# of `initdb`. Reads a command a line, and answers each with what it says, a line each behind `| `,
# and then `ok` or `failed`. When its input ends, it stops the server and takes everything away: the
# server goes with the tests, however they end.
set -u
PATH="$1:$PATH"
export PATH LC_ALL=C
unset PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGOPTIONS PGSSLMODE PGDATA

directory=$(mktemp -d /tmp/stepwright-postgres.XXXXXX) || exit 1
cd "$directory" || exit 1

finish() {
    pg_ctl stop -D "$directory/data" -m immediate -w >/dev/null 2>&1
    cd / && rm -rf "$directory"
}
trap finish EXIT
trap 'exit 1' TERM
# Ctrl-C is for the tests. This ends when they do, also if that is in the middle of an answer.
trap '' INT HUP PIPE

answer() {
    if "$@" >said 2>&1 </dev/null; then last=ok; else last=failed; fi
    sed 's/^/| /' said
    echo "$last"
}

make() {
    printf 'secret' >password
    initdb -D data -U postgres --pwfile=password --auth-local=trust --auth-host=scram-sha-256 \
        --encoding=UTF8 --locale=C --no-sync
}

start() {
    pg_ctl start -D data -l log -w -o "-p $port -k $directory -c listen_addresses=127.0.0.1 \
        -c max_connections=200 $settings" || { cat log; return 1; }
}

while read -r command rest; do
    case $command in
    where) answer echo "$directory" ;;
    make) answer make ;;
    # PORT SETTINGS: settings are for the command line of the server.
    port) port=${rest%% *} settings=${rest#* } && answer true ;;
    start) answer start ;;
    # MODE: `fast` ends transactions and says so, `immediate` is a crash.
    stop) answer pg_ctl stop -D data -m "$rest" -w ;;
    # DATABASE STATEMENT
    sql) answer psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$directory" -p "$port" -U postgres \
        -d "${rest%% *}" -c "${rest#* }" ;;
    *) answer false ;;
    esac
done

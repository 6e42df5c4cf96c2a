# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Real sshds for a test: own host key, user key, configuration, known_hosts.
# Nobody's ~/.ssh and nothing in /etc/ssh is read or written.
#
#   load ../tools/sshd        after `load ebsp`
#   need_sshd                 skips, with the reason, where there can be none
#   start_sshd 127.0.0.1 127.0.0.2
#   "$EBSP" train ... --ssh "$sshd_client" --hosts 127.0.0.1,127.0.0.2
#   sshd_teardown             in teardown(), instead of ebsp_teardown
#
# Set by start_sshd, all below $sshd_dir:
#   sshd_client       the client's command: ssh -F $sshd_dir/ssh_config
#   sshd_port         of the last one started
#   sshd_pids         one for each start_sshd; kill them as you like
#   $sshd_dir/        host_key, user_key, known_hosts, ssh_config; 0.log,
#                     1.log, ...: what each sshd says
# A session gets this build's ebsp by its name in PATH, a HOME in $sshd_dir and
# the variables by which leftovers() knows the processes of a test.
sshd_dir=
sshd_pids=()

# need_sshd: skips where sshd, its client or its tool is missing.
need_sshd() {
    local tool
    for tool in ssh ssh-keygen setpriv; do
        command -v "$tool" >/dev/null || skip "needs: $tool"
    done
    sshd_program=$(PATH=$PATH:/usr/sbin:/sbin type -P sshd) ||
        skip "needs: sshd (package openssh-server)"
    # The folder that sshd wants to be locked up in; Debian's service makes it.
    [ "$(id -u)" -ne 0 ] || [ -d /run/sshd ] ||
        mkdir -m 0755 /run/sshd 2>/dev/null || [ -d /run/sshd ]
}

# sshd_init: keys and the client's side, once for each test.
sshd_init() {
    sshd_dir=$BATS_TEST_TMPDIR/sshd
    # shellcheck disable=SC2034 # for the test that loads this
    sshd_client="ssh -F $sshd_dir/ssh_config"
    mkdir -p "$sshd_dir/home" "$sshd_dir/bin"
    ln -s "$(readlink -f -- "$EBSP")" "$sshd_dir/bin/ebsp"
    ssh-keygen -q -t ed25519 -N '' -C host -f "$sshd_dir/host_key"
    ssh-keygen -q -t ed25519 -N '' -C user -f "$sshd_dir/user_key"
    touch "$sshd_dir/known_hosts" "$sshd_dir/ssh_config"
}

# sshd_config PORT ADDRESS...: what sshd reads; $sshd_extra comes last, so
# that it may open a Match block.
sshd_config() {
    local port=$1 address name
    shift
    for address; do
        [[ $address != *:* ]] || address="[$address]"
        echo "ListenAddress $address:$port"
    done
    cat <<EOF2
HostKey $sshd_dir/host_key
AuthorizedKeysFile $sshd_dir/user_key.pub
PidFile none
AuthenticationMethods publickey
PermitRootLogin yes
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
# The temporary folder of a test lies in one that everybody may write to.
StrictModes no
MaxStartups 200
LogLevel VERBOSE
EOF2
    # Newer ones punish an address whose clients were killed.
    ! "$sshd_program" -t -f /dev/null -h "$sshd_dir/host_key" \
        -o PerSourcePenalties=no 2>/dev/null || echo "PerSourcePenalties no"
    # Only the first SetEnv counts.
    printf 'SetEnv "BATS_TEST_TMPDIR=%s" "HOME=%s" "PATH=%s"' \
        "$BATS_TEST_TMPDIR" "$sshd_dir/home" "$sshd_dir/bin:/usr/bin:/bin"
    for name in ASAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS UBSAN_OPTIONS; do
        [ -z "${!name:-}" ] || printf ' "%s=%s"' "$name" "${!name}"
    done
    printf '\n%s\n' "${sshd_extra:-}"
}

# start_sshd [--netns PID] ADDRESS...: one sshd that listens on all of them, at
# a free port, in the network namespace of a process.  May be called several
# times.
start_sshd() {
    local netns=() n=${#sshd_pids[@]} log address
    if [ "$1" = --netns ]; then
        netns=(nsenter --net="/proc/$2/ns/net" --)
        shift 2
    fi
    [ -n "$sshd_dir" ] || sshd_init
    log=$sshd_dir/$n.log
    # sshd cannot take port 0, so ports are tried.
    for _ in {1..50}; do
        sshd_port=$((20000 + (SRANDOM % 12000)))
        sshd_config "$sshd_port" "$@" >"$sshd_dir/$n.conf"
        : >"$log"
        # It dies with the test, even when that is killed.
        setpriv --pdeathsig KILL "${netns[@]}" "$sshd_program" -D -e \
            -f "$sshd_dir/$n.conf" </dev/null >"$log" 2>&1 3>&- 4>&- &
        sshd_pids[n]=$!
        within 20 sshd_is_decided "$n" "$#" || true
        if sshd_listens "$n" "$#"; then
            for address; do
                echo "[$address]:$sshd_port $(<"$sshd_dir/host_key.pub")" \
                    >>"$sshd_dir/known_hosts"
            done
            sshd_client_config "$@" >>"$sshd_dir/ssh_config"
            return
        fi
        kill -KILL "${sshd_pids[n]}" 2>/dev/null || true
        wait "${sshd_pids[n]}" || true
        grep -q 'Bind to port.*in use' "$log" || break
    done
    cat "$log"
    unset "sshd_pids[n]"
    return 1
}

# sshd_listens I N: the I-th sshd has bound N addresses.
sshd_listens() {
    [ "$(grep -c '^Server listening on' "$sshd_dir/$1.log")" -ge "$2" ]
}
# sshd_is_decided I N: it has, or cannot.
sshd_is_decided() {
    sshd_listens "$@" || is_gone "${sshd_pids[$1]}" ||
        grep -q 'Bind to port' "$sshd_dir/$1.log"
}

# sshd_client_config ADDRESS...: the client's part for these hosts.  Host keys
# are checked as always: a host that is not in known_hosts is refused.
sshd_client_config() {
    cat <<EOF2
Host $*
    Port $sshd_port
    User $(id -un)
    IdentityFile $sshd_dir/user_key
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile $sshd_dir/known_hosts
    GlobalKnownHostsFile none
EOF2
}

# sshd_sessions: process ids of everything that runs below the sshds.
sshd_sessions() {
    local level=("${sshd_pids[@]}")
    while ((${#level[@]})); do
        mapfile -t level < <(pgrep -P "$(IFS=, && echo "${level[*]}")")
        ((${#level[@]} == 0)) || printf '%s\n' "${level[@]}"
    done
}

# sshd_teardown: first what ebsp_teardown looks for, then the sshds and what
# their sessions have left.
sshd_teardown() {
    local failed=0 left=()
    ebsp_teardown || failed=1
    if ((${#sshd_pids[@]})); then
        mapfile -t left < <(sshd_sessions)
        kill -KILL "${sshd_pids[@]}" "${left[@]}" 2>/dev/null || true
        { wait "${sshd_pids[@]}" || true; } 2>/dev/null
    fi
    return "$failed"
}

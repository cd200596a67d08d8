#!/usr/bin/env bash
# A real OpenStack control plane on loopback: keystone, placement, glance, nova, neutron and octavia from PyPI,
# unmodified, with Debian's MariaDB and RabbitMQ. Not real: nova's virt driver (its own fake one), the Open vSwitch
# agents (agents.py) and what octavia would build (its own no-op drivers).
#
#   cloud.sh up      make what is missing, start, wait until it makes servers; clouds.yaml is left in HOME
#   cloud.sh down    end every process; the next start takes half a minute
#   cloud.sh wipe    down, and forget all but the packages
#
# HFS_OPENSTACK_HOSTS: compute hosts in each of the three zones, 1 if nothing is said. Each takes 60 MiB; the more servers
# there are on a host, the longer another one takes there, so for hundreds of servers name 3 or 4.
#
# HOME is build/openstack of this checkout. Everything listens on 127.0.0.1; data is thrown away lightly: no passwords
# in the database, no fsync.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=$(cd "$here/../.." && pwd)/build/openstack
venv=$home/venv
bin=$venv/bin
password=secret
places=() # compute hosts, each in its zone
for ((host = 1; host <= 3 * ${HFS_OPENSTACK_HOSTS:-1}; host++)); do places+=("c$host:az$(((host - 1) % 3 + 1))"); done
hosts=("${places[@]%%:*}")

databases=(keystone placement glance nova_api nova_cell0 nova_cell1 neutron octavia)
socket=$home/run/mysql.sock
# In the order in which they are ended: nothing waits for a part that is gone before it.
processes=(computes octavia-worker agents neutron-rpc nova-scheduler nova-conductor octavia neutron nova glance
  placement keystone rabbit epmd)

export OS_AUTH_URL=http://127.0.0.1:5000/v3 OS_USERNAME=admin OS_PASSWORD=$password OS_PROJECT_NAME=admin \
  OS_USER_DOMAIN_ID=default OS_PROJECT_DOMAIN_ID=default OS_REGION_NAME=RegionOne OS_IDENTITY_API_VERSION=3
unset OS_CLOUD OS_CLIENT_CONFIG_FILE

say() { printf '==> %s\n' "$*" >&2; }

# ---- configuration: the files of etc/, with the places filled in

configure() {
  mkdir -p "$home"/{etc,run,log,data,lock,images}
  local account name place
  account="auth_type = password\nauth_url = http://127.0.0.1:5000\nusername = service\npassword = $password\n"
  account+="project_name = service\nuser_domain_id = default\nproject_domain_id = default\nregion_name = RegionOne"
  for name in keystone placement glance-api nova neutron octavia; do
    { cat "$here/etc/$name.conf" && { [[ $name == keystone ]] || cat "$here/etc/auth.conf"; }; } |
      sed -e "s#@ACCOUNT@#$account#; s#@HOME@#$home#; s#@VENV@#$venv#; s#@PASSWORD@#$password#" \
        -e "s#@DATABASE@#mysql+pymysql://root@localhost#; s#@SOCKET@#?unix_socket=$socket\&charset=utf8mb3#" \
        >"$home/etc/$name.conf"
  done
  for place in "${places[@]}"; do
    name=${place%%:*}
    printf '[DEFAULT]\nhost = %s\nlog_file = %s\nstate_path = %s\n' "$name" "$home/log/compute-$name.log" \
      "$home/data/nova-$name" >"$home/etc/compute-$name.conf"
    mkdir -p "$home/data/nova-$name"
  done
  cp "$venv"/etc/glance/glance-api-paste.ini "$home/etc/"
  # Octavia signs certificates for load balancers that nobody builds.
  [[ -e $home/etc/ca.pem ]] || openssl req -x509 -newkey rsa:2048 -days 3650 -subj /CN=hfs-test -passout pass:pass \
    -keyout "$home/etc/ca.key" -out "$home/etc/ca.pem" 2>/dev/null
  cat >"$home/clouds.yaml" <<END
clouds:
  hfs:
    auth:
      auth_url: $OS_AUTH_URL
      username: demo
      password: $password
      project_name: demo
      user_domain_id: default
      project_domain_id: default
    region_name: RegionOne
  admin: # nobody uses it but tests that break the cloud
    auth:
      auth_url: $OS_AUTH_URL
      username: admin
      password: $password
      project_name: admin
      user_domain_id: default
      project_domain_id: default
    region_name: RegionOne
END
}

# ---- processes: each leads a group of its own; its pid lies in run/, its output in log/

start() { # start NAME COMMAND...
  local name=$1 file=$home/run/$1.pid
  shift
  if [[ -s $file ]] && kill -0 "$(<"$file")" 2>/dev/null; then return; fi
  setsid "$@" >"$home/log/$name.out" 2>&1 </dev/null &
  echo $! >"$file"
  disown
}

end() { # end NAME SIGNAL: the whole group, at once
  local file=$home/run/$1.pid
  [[ -s $file ]] || return 0
  kill -"$2" -- "-$(<"$file")" 2>/dev/null || true
  rm -f "$file"
}

wait_for() { # wait_for COMMAND...: until it succeeds
  local end=$((SECONDS + 180))
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS > end)); then
      say "timeout: $*; see $home/log"
      return 1
    fi
    sleep 0.3
  done
}

answers() { "$bin/python" -c 'import sys, urllib.error, urllib.request
try: urllib.request.urlopen(sys.argv[1], timeout=20)
except urllib.error.HTTPError as error: sys.exit(error.code >= 500)' "$1"; }

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }

start_stores() {
  if [[ ! -d $home/mysql/mysql ]]; then
    mkdir -p "$home/mysql"
    mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$home/mysql" --skip-test-db \
      --auth-root-authentication-method=normal >"$home/log/mysql-install.out" 2>&1
  fi
  start mysql /usr/sbin/mariadbd --no-defaults --user="$(id -un)" --datadir="$home/mysql" --socket="$socket" \
    --pid-file="$home/run/mysql.own-pid" --skip-networking --skip-grant-tables --innodb-flush-log-at-trx-commit=0 \
    --innodb-flush-method=nosync --innodb-doublewrite=0 --innodb-buffer-pool-size=256M --skip-log-bin \
    --max-connections=600 --performance-schema=0 --transaction-isolation=READ-COMMITTED
  mkdir -p "$home/rabbit"
  : >"$home/etc/rabbit-plugins"
  cat >"$home/etc/rabbit.config" <<'END'
[{rabbit, [{tcp_listeners, [{"127.0.0.1", 5672}]}, {vm_memory_high_watermark, 0.2},
           {log, [{console, [{enabled, false}]}]}]},
 {kernel, [{inet_dist_use_interface, {127,0,0,1}}]}].
END
  start epmd epmd -port 24369 -address 127.0.0.1 # our own: Erlang's would outlive us
  start rabbit env HOME="$home/rabbit" ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=24369 RABBITMQ_DIST_PORT=25672 \
    RABBITMQ_NODENAME=hfs@localhost RABBITMQ_MNESIA_BASE="$home/rabbit" RABBITMQ_LOG_BASE="$home/log" \
    RABBITMQ_CONFIG_FILE="$home/etc/rabbit" RABBITMQ_ENABLED_PLUGINS_FILE="$home/etc/rabbit-plugins" \
    RABBITMQ_PID_FILE="$home/run/rabbit.own-pid" RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 +sbwt none" \
    /usr/lib/rabbitmq/bin/rabbitmq-server
  wait_for mariadb-admin --no-defaults --socket="$socket" ping
  wait_for listens 5672
}

serve() { # serve NAME PORT MODULE VARIABLE...: a WSGI application of the virtual environment
  local name=$1 port=$2 module=$3
  shift 3
  start "$name" env "$@" "$bin/uwsgi" --http-socket "127.0.0.1:$port" --module "$module:application" --master \
    --processes 1 --threads 8 --enable-threads --lazy-apps --need-app --die-on-term --buffer-size 65535 --thunder-lock \
    --virtualenv "$venv" --add-header "Connection: close" ${arguments:+--pyargv "$arguments"}
}

start_apis() {
  local etc=$home/etc
  serve keystone 5000 keystone.wsgi.api OS_KEYSTONE_CONFIG_DIR="$etc" OS_KEYSTONE_CONFIG_FILES=keystone.conf
  serve placement 8778 placement.wsgi.api OS_PLACEMENT_CONFIG_DIR="$etc"
  serve glance 9292 glance.wsgi.api OS_GLANCE_CONFIG_DIR="$etc"
  # The first of nova's files is taken for the one of paste, whatever it is.
  serve nova 8774 nova.wsgi.osapi_compute OS_NOVA_CONFIG_DIR="$etc" \
    OS_NOVA_CONFIG_FILES="$venv/etc/nova/api-paste.ini;nova.conf"
  serve neutron 9696 neutron.wsgi.api OS_NEUTRON_CONFIG_DIR="$etc" OS_NEUTRON_CONFIG_FILES=neutron.conf
  arguments="--config-file $etc/octavia.conf" serve octavia 9876 octavia.wsgi.api
  wait_for answers http://127.0.0.1:5000/v3
}

start_daemons() {
  local etc=$home/etc log=$home/log
  start nova-conductor "$bin/nova-conductor" --config-file "$etc/nova.conf" --log-file "$log/nova-conductor.log"
  start nova-scheduler "$bin/nova-scheduler" --config-file "$etc/nova.conf" --log-file "$log/nova-scheduler.log"
  start computes "$bin/python" "$here/computes.py" "$home" "${hosts[@]}"
  start neutron-rpc "$bin/neutron-rpc-server" --config-file "$etc/neutron.conf" --log-file "$log/neutron-rpc.log"
  start agents "$bin/python" "$here/agents.py" "${hosts[@]}" -- --config-file "$etc/neutron.conf" \
    --log-file "$log/agents.log"
  start octavia-worker "$bin/octavia-worker" --config-file "$etc/octavia.conf" --log-file "$log/octavia-worker.log"
}

wait_apis() {
  local port
  for port in 8778 9292 8774 9696 9876; do wait_for answers "http://127.0.0.1:$port/"; done
}

seed() { "$bin/python" "$here/seed.py" "$1" "${places[@]}"; }

# ---- what is made once

install() {
  local wanted
  wanted=$(sha256sum "$here"/*.txt | sha256sum)
  if [[ -e $home/installed && $(<"$home/installed") == "$wanted" ]]; then return; fi
  say "installing OpenStack: 180 packages, 600 MB"
  mkdir -p "$home"
  /usr/bin/python3 -m venv "$venv"
  "$bin/pip" install --quiet --requirement "$here/requirements.txt" --constraint "$here/constraints.txt" >&2
  printf '%s' "$wanted" >"$home/installed"
}

make_keystone() {
  local keystone=("$bin/keystone-manage" --config-file "$home/etc/keystone.conf") url=http://127.0.0.1:5000/v3 kind
  "${keystone[@]}" db_sync
  for kind in fernet credential; do
    "${keystone[@]}" "${kind}_setup" --keystone-user "$(id -un)" --keystone-group "$(id -gn)"
  done
  "${keystone[@]}" bootstrap --bootstrap-password "$password" --bootstrap-region-id RegionOne \
    --bootstrap-public-url "$url" --bootstrap-internal-url "$url" --bootstrap-admin-url "$url"
  "$bin/placement-manage" --config-file "$home/etc/placement.conf" db sync
  "$bin/glance-manage" --config-file "$home/etc/glance-api.conf" db_sync
}

make_nova() {
  local nova=("$bin/nova-manage" --config-file "$home/etc/nova.conf")
  "${nova[@]}" api_db sync
  "${nova[@]}" cell_v2 map_cell0 \
    --database_connection "mysql+pymysql://root@localhost/nova_cell0?unix_socket=$socket&charset=utf8mb3"
  "${nova[@]}" cell_v2 create_cell --name cell1
  "${nova[@]}" db sync
}

make_others() {
  "$bin/neutron-db-manage" --config-file "$home/etc/neutron.conf" upgrade heads
  "$bin/octavia-db-manage" --config-file "$home/etc/octavia.conf" upgrade head
}

make_books() {
  say "making the databases"
  local name part parts=()
  for name in "${databases[@]}"; do
    mariadb --no-defaults --socket="$socket" -e "CREATE DATABASE $name CHARACTER SET utf8mb3"
  done
  for part in keystone nova others; do
    "make_$part" >"$home/log/make-$part.out" 2>&1 &
    parts+=($!)
  done
  for part in "${parts[@]}"; do
    wait "$part" || {
      tail -n 20 "$home"/log/make-*.out >&2
      return 1
    }
  done
}

# ---- commands

up() {
  install
  if [[ ! -e $home/made ]]; then wipe; fi
  configure
  say "starting"
  start_stores
  if [[ ! -e $home/made ]]; then make_books; fi
  start_apis
  if [[ ! -e $home/made ]]; then seed accounts; fi
  start_daemons
  wait_apis
  seed hosts
  if [[ ! -e $home/made || $(<"$home/made") != "${places[*]}" ]]; then
    "$bin/nova-manage" --config-file "$home/etc/nova.conf" cell_v2 discover_hosts >"$home/log/discover.out" 2>&1
    seed things
    printf '%s' "${places[*]}" >"$home/made"
  fi
  say "OpenStack is up after $SECONDS s; export OS_CLIENT_CONFIG_FILE=$home/clouds.yaml OS_CLOUD=hfs"
}

down() {
  local name
  for name in "${processes[@]}"; do end "$name" KILL; done # none of them has a state that is worth a farewell
  if [[ -s $home/run/mysql.pid ]]; then                     # but this one
    local pid
    pid=$(<"$home/run/mysql.pid")
    end mysql TERM
    wait_for eval "! kill -0 $pid"
  fi
  rm -rf "$home"/rabbit "$home"/run/compute-*
}

wipe() {
  down
  rm -rf "${home:?}"/{etc,mysql,images,log,data,lock,run,made,clouds.yaml}
}

case ${1-} in
  up | down | wipe) "$1" ;;
  *)
    sed -n '2,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 64
    ;;
esac

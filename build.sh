#!/usr/bin/env bash
# Builds, checks, tests and starts hfs from a fresh checkout. All that is made here lies in .venv/, build/ and dist/.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$root"

python=/usr/bin/python3 # Debian's own: the first line of dist/hfs names it, so everything is made and tested with it
venv=.venv/bin/python

# Hundreds of short processes run here: a module is compiled when it is first used, and never again.
unset PYTHONDONTWRITEBYTECODE

usage() {
  cat <<'END'
Usage: ./build.sh COMMAND [ARGUMENT...]

  run [OPTION...]   make what is missing, then start the local environment: dist/hfs run configs/local.toml
  test [ARG...]     make what the tests need, then check, then run all tests; arguments go to pytest
  test --openstack  run the contracts of cloud and load balancer against a real OpenStack control plane, and make it fail (10 minutes)
  test --qemu       run the contract of the cloud with real virtual machines (minutes in software)
  test --puppet     run the tests that need the real Puppet and its server (minutes)
  guest             make build/guest, what virtual machines of the local provider boot (configs/qemu.toml)
  openstack up|down start that control plane on loopback, to play with, or end it
  check             lint, format, types and layers
  zipapp            make dist/hfs, the one executable file
  digests [OPTION]  play the recorded simulations on every Python from 3.11 to 3.13 that this machine has; --short: all but
                    the day of 5,000 servers, as `test` does; --write: record what they give now
  sweep [N [FROM [OPTION]]]
                    play N (500) random simulations on all cores; exit code 1 when one breaks a promise; --whole-matrix: also
                    when a fault has not met a phase that it can meet, or one that it cannot
  kills [OPTION...] kill hfs at 1,000 random steps of larger stories, and see that nothing is left over or there twice
  coverage          see that the tests of the policy rooms take every branch of these
  mutate [MODULE...] make small mistakes in the rule table, the budget and the guards, and see that their tests notice
  mutants [NAME...] make hfs wrong in each way that is known, and see that the simulator's checkers notice
  bench [NAME...]   run the benchmarks, all or those named; results go to bench/results/
  lock              choose the versions of all packages anew and write them to requirements.lock

Missing Debian packages are installed with apt-get, as root or with sudo; their services are not started.
END
}

say() { printf '==> %s\n' "$*" >&2; }

die() {
  printf 'build.sh: %s\n' "$*" >&2
  exit 1
}

# together STEP...: carry out steps at the same time; show what each wrote once it is over, and fail if one did.
together() {
  local step logs running=() result=0
  logs=$(mktemp -d)
  for step; do
    $step >"$logs/${#running[@]}" 2>&1 &
    running+=($!)
  done
  for step in "${!running[@]}"; do
    wait "${running[step]}" || result=$?
    cat "$logs/$step" >&2
  done
  rm -r "$logs"
  return "$result"
}

# ---- Debian packages

for_run=(python3-venv=/usr/share/doc/python3-venv nginx-light=/usr/sbin/nginx)
for_openstack=(rabbitmq-server=/usr/sbin/rabbitmq-server mariadb-server=/usr/sbin/mariadbd gcc=/usr/bin/gcc
  python3-dev=/usr/include/python3.11/Python.h openssl=/usr/bin/openssl)
for_guest=(qemu-system-x86=/usr/bin/qemu-system-x86_64 qemu-utils=/usr/bin/qemu-img cpio=/usr/bin/cpio)
for_test=("${for_run[@]}" default-jre-headless=/usr/bin/java zookeeper=/usr/share/java/zookeeper.jar)

# packages NAME=FILE...: install each Debian package whose file is absent.
packages() {
  local pair missing=() sudo=()
  for pair; do [[ -e ${pair#*=} ]] || missing+=("${pair%%=*}"); done
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || die "this is not Debian; install what is called there: ${missing[*]}"
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "run this as root first: apt-get install --no-install-recommends ${missing[*]}"
    sudo=(sudo)
  fi
  say "installing Debian packages: ${missing[*]}"
  "${sudo[@]}" bash -euc "$(declare -f install_quietly); install_quietly \"\$@\"" install "${missing[@]}" >&2
}

# Install packages but neither start nor enable their services: hfs runs an nginx of its own, on its own port.
install_quietly() {
  local policy=/usr/sbin/policy-rc.d # what it answers decides whether services start; 101 is no, see invoke-rc.d(8)
  if [ ! -e "$policy" ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  local log
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get update && apt-get install --yes --no-install-recommends "$@"; } >"$log" 2>&1; then
    cat "$log"
    return 1
  fi
  rm "$log"
  case " $* " in
    *" nginx-light "*) update-rc.d nginx disable ;; # nor at the next boot; systemd is told, too
  esac
}

# ---- virtual environment

# virtualenv GROUP...: bring .venv to the locked versions of what is needed to build, or of all that there is.
virtualenv() {
  local group wanted
  wanted="$("$python" -V) $(cat pyproject.toml requirements.lock | sha256sum)"
  if [[ ! -x $venv || $("$venv" -V) != "$("$python" -V)" ]]; then "$python" -m venv --clear .venv; fi
  for group; do
    if [[ $group == test ]]; then wanted+=" $root"; fi # where hfs.pth points
    if [[ -e .venv/made-$group && $(<".venv/made-$group") == "$wanted" ]]; then continue; fi
    say "installing Python packages: $group"
    case $group in
      build)
        pip install --no-compile --upgrade pip # Debian's own is too old to know groups
        pip install --no-compile --group build
        ;;
      test)
        pip install --no-compile --requirement requirements.lock
        echo "$root" >"$("$venv" -c 'import site; print(site.getsitepackages()[0])')/hfs.pth" # our own packages
        ;;
    esac
    printf '%s' "$wanted" >".venv/made-$group"
  done
}

pip() { "$venv" -m pip --quiet --disable-pip-version-check "$@" --constraint requirements.lock >&2; }

lock() {
  say "choosing versions"
  {
    echo "# Written by ./build.sh lock: every package of every build, test and release, with those they need in turn."
    "$venv" -m pip install --quiet --dry-run --ignore-installed --group build --group test --report - . |
      "$venv" -c 'import json, sys
chosen = (item["metadata"] for item in json.load(sys.stdin)["install"] if "dir_info" not in item["download_info"])
print(*sorted("{name}=={version}".format(**package).lower() for package in chosen), sep="\n")'
  } >requirements.lock.new
  mv requirements.lock.new requirements.lock
}

# ---- dist/hfs

# Links are followed: configs/scenarios comes in as a folder of the package that reads it.
sources() { find -L pyproject.toml requirements.lock build.sh README.md hfs_appliance sim -type f ! -name '*.pyc' -print0; }

# Make dist/hfs unless it was made of just these sources. The same sources give the same bytes, wherever and whenever.
zipapp() {
  local wanted
  wanted=$(sources | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
  if [[ -x dist/hfs && -e dist/made-of && $(<dist/made-of) == "$wanted" ]]; then return; fi
  say "making dist/hfs"
  rm -rf build/zipapp
  mkdir -p build/zipapp/source dist
  sources | tar --create --null --files-from=- | tar --extract --directory=build/zipapp/source
  export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-315532800} # the first instant that a zip file can name
  pip wheel --no-deps --no-build-isolation --wheel-dir build/zipapp build/zipapp/source
  pip install --no-compile --target build/zipapp/site build/zipapp/*.whl
  strip_site build/zipapp/site
  "$venv" -m shiv --reproducible --uncompressed --site-packages build/zipapp/site --output-file build/zipapp/shiv \
    --entry-point hfs_appliance.cli.main:main --python "$python -IS" # -IS: no modules but its own
  compress build/zipapp/shiv build/zipapp/hfs
  chmod 755 build/zipapp/hfs
  mv build/zipapp/hfs dist/hfs
  printf '%s' "$wanted" >dist/made-of
}

# Take away what the running hfs never reads and what tells where it was built.
strip_site() {
  rm -rf "${1:?}/bin"
  find "$1" -type d \( -name tests -o -name _tests \) -prune -exec rm -rf {} +
  find "$1" -path '*.dist-info/*' \( -name RECORD -o -name INSTALLER -o -name REQUESTED -o -name direct_url.json \) -delete
  # Swagger UI comes in a package for a web framework that is never loaded.
  rm -rf "$1"/{flask,werkzeug,blinker,itsdangerous}{,-*}
  # openstacksdk: what it signs images with (5 MB), and what its packages were built with.
  rm -rf "$1"/{cryptography,cffi,pycparser,setuptools,pkg_resources,_distutils_hack}{,-*} "$1"/{_cffi_backend.*,distutils-*}
  find "$1" -path '*/flask_swagger_ui/dist/*' \( -name swagger-ui.js -o -name '*preset.js' \) -delete
}

# Compress a zipapp, and sort it: shiv adds its own modules in whatever order the file system lists them.
compress() {
  "$venv" - "$@" <<'END'
import sys, zipfile

with open(sys.argv[1], "rb") as loose, open(sys.argv[2], "wb") as packed:
    packed.write(loose.readline())  # the #! line
    with zipfile.ZipFile(loose) as source, zipfile.ZipFile(packed, "w") as target:
        for entry in sorted(source.infolist(), key=lambda entry: entry.filename):
            target.writestr(entry, source.read(entry), zipfile.ZIP_DEFLATED, 9)
END
}

# ---- commands

check() {
  say "shellcheck" && .venv/bin/shellcheck build.sh .ci/run guest/image.sh tests/openstack/cloud.sh
  say "ruff check" && "$venv" -m ruff check .
  say "ruff format" && "$venv" -m ruff format --check .
  say "mypy" && "$venv" -m mypy
  say "import-linter" && .venv/bin/lint-imports
}

# Run the contracts against the real thing, which is ended afterwards, whatever happens, unless it ran already.
test_openstack() {
  prepare packages_for_run packages_for_openstack "virtualenv build test"
  local database=build/openstack/run/mysql.pid
  if ! { [[ -s $database ]] && kill -0 "$(<"$database")" 2>/dev/null; }; then trap 'tests/openstack/cloud.sh down' EXIT; fi
  tests/openstack/cloud.sh up
  HFS_OPENSTACK=$root/build/openstack/clouds.yaml "$venv" -m pytest -m openstack tests/contract tests/adapters/openstack "$@"
}

# Run the contract of the cloud with guests of QEMU. Not in every run: the state of the first takes minutes in software.
test_qemu() {
  prepare packages_for_run packages_for_guest "virtualenv build test" guest
  HFS_GUESTS=$root/build/guest "$venv" -m pytest -m qemu tests/contract "$@"
}

# Run what needs the real Puppet and its server. Not in every run: they take a while to install (the server and its Ruby
# are 100 MB), a run takes 4 s of processor time, and the server half a minute until it answers.
test_puppet() {
  prepare packages_for_run "packages puppet-agent=/usr/bin/puppet puppetserver=/usr/bin/puppetserver" "virtualenv build test"
  HFS_PUPPET_SERVER=yes "$venv" -m pytest -m puppet tests/agent "$@"
}

# Make build/guest unless it was made of just these sources on this day: Debian's packages change.
guest() {
  local wanted
  wanted=$(date +%F; find guest configs/services -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
  if [[ -e build/guest/made-of && $(<build/guest/made-of) == "$wanted" ]]; then return; fi
  say "making build/guest"
  guest/image.sh build/guest
  printf '%s' "$wanted" >build/guest/made-of
}

recorded=tests/golden/simulation/digests.json

# Play the recorded simulations on Debian's Python and on each other one that there is, all at the same time.
digests() {
  local version runs=("$venv -m sim.digests $recorded${1:+ $1}") # no blank at the end: xargs would join lines
  say "recorded simulations"
  if [[ ${1-} == --write ]]; then
    "$venv" -m sim.digests "$recorded" --write
    return
  fi
  for version in "${other_pythons[@]}"; do
    [[ -e .venv-$version/made ]] || continue
    runs+=(".venv-$version/bin/python -m sim.digests $recorded${1:+ $1}")
  done
  printf '%s\n' "${runs[@]}" | xargs -P "${#runs[@]}" -L 1 env PYTHONPATH="$root"
}

other_pythons=(3.12 3.13)

# Have what simulations need in a virtual environment of each other Python that this machine has: no OpenStack.
other_virtualenvs() {
  local version found made
  for version in "${other_pythons[@]}"; do
    found=$(find_python "$version") || continue
    made=.venv-$version/made
    [[ ! -e $made || $(<"$made") != "$(sha256sum <requirements.lock)" ]] || continue
    say "installing Python packages: run, for Python $version"
    "$found" -m venv --clear --without-pip ".venv-$version"
    dependencies | grep --invert-match ^openstacksdk |
      pip --python ".venv-$version/bin/python" install --no-compile --requirement /dev/stdin
    sha256sum <requirements.lock >"$made"
  done
}

known=tests/golden/simulation/known-seeds.txt
swarm_in_ci=60

# Play so many seeds of the swarm, on all cores; the matrix of faults and phases goes to build/fault-matrix.md.
sweep() {
  say "$1 seeds of the swarm"
  mkdir -p build
  "$venv" -m sim.sweep "$@" --known "$known" --write build/fault-matrix.md
}

dependencies() {
  "$venv" -c 'import tomli
print(*tomli.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")'
}

# find_python VERSION: name an interpreter of that version that really runs.
find_python() {
  local candidate
  for candidate in "python$1" "$HOME"/.pyenv/versions/"$1".*/bin/python; do
    if [[ $("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) == "$1" ]]; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

# prepare STEP...: carry out steps that make what is missing; one build at a time in one checkout.
prepare() (
  flock 9
  umask 022 # file modes are part of what is made
  for step; do $step; done
) 9<"$root"

# Compile all tests in a fresh checkout: the processes that run them begin at the same time, and each would do it for itself.
warm_up() { [[ -e tests/tidy/__pycache__ ]] || "$venv" -m pytest --quiet --collect-only >/dev/null; }

packages_for_run() { packages "${for_run[@]}"; }
packages_for_openstack() { packages python3-venv=/usr/share/doc/python3-venv "${for_openstack[@]}"; }
packages_for_guest() { packages "${for_guest[@]}"; }
packages_for_test() { packages "${for_test[@]}"; }
packages_for_bench() { packages "${for_test[@]}" wrk=/usr/bin/wrk puppet-agent=/usr/bin/puppet; }

# A function, so that the whole file has been read before any of it runs: it may be edited meanwhile.
main() {
  local command=${1-}
  shift || true
  case $command in
    run)
      prepare packages_for_run "virtualenv build" zipapp
      exec dist/hfs run configs/local.toml "$@"
      ;;
    test)
      if [[ ${1-} == --openstack ]]; then
        test_openstack "${@:2}"
        return
      fi
      if [[ ${1-} == --qemu ]]; then
        test_qemu "${@:2}"
        return
      fi
      if [[ ${1-} == --puppet ]]; then
        test_puppet "${@:2}"
        return
      fi
      prepare packages_for_test "virtualenv build test" "together check zipapp other_virtualenvs warm_up"
      say "tests"
      "$venv" -m pytest -n 3 "$@" # three, for much of it waits; tests/conftest.py shares them out
      if (($# == 0)); then
        together "digests --short" "sweep $swarm_in_ci"
      fi
      ;;
    guest)
      prepare packages_for_run packages_for_guest "virtualenv build" "together zipapp guest"
      ;;
    openstack)
      if [[ ${1-} == up ]]; then prepare packages_for_openstack; fi
      exec tests/openstack/cloud.sh "$@"
      ;;
    check)
      prepare packages_for_run "virtualenv build test"
      check
      ;;
    zipapp)
      prepare packages_for_run "virtualenv build" zipapp
      say "dist/hfs: $(du -h dist/hfs | cut -f1), sha256 $(sha256sum dist/hfs | cut -d' ' -f1)"
      ;;
    digests)
      prepare packages_for_run "virtualenv build test" other_virtualenvs
      digests "$@"
      ;;
    sweep)
      prepare packages_for_run "virtualenv build test"
      sweep "${1:-500}" --from "${2:-0}" "${@:3}"
      ;;
    kills)
      prepare packages_for_run "virtualenv build test"
      say "kills"
      "$venv" -m sim.kill_points "$@"
      ;;
    coverage)
      prepare packages_for_run "virtualenv build test"
      mkdir -p build
      say "tests of the policy rooms"
      "$venv" -m coverage run -m pytest -q --hypothesis-seed=0 tests/mcp # the same branches each time
      "$venv" -m coverage report
      ;;
    mutate)
      prepare packages_for_run "virtualenv build test"
      say "mistakes in the policy"
      "$venv" -m tests.mutation "$@"
      ;;
    mutants)
      prepare packages_for_run "virtualenv build test"
      say "mutants"
      "$venv" -m sim.mutants "$@"
      ;;
    bench)
      prepare packages_for_bench "virtualenv build test" zipapp
      "$venv" -m bench "$@"
      ;;
    lock) prepare packages_for_run "virtualenv build" lock ;;
    help | -h | --help) usage ;;
    *)
      usage >&2
      exit 64 # EX_USAGE
      ;;
  esac
}

main "$@"

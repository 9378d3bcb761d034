#!/bin/bash
# Installs what is missing on a Debian machine, and says what. On another system it says what to install.
#   tests/install.sh build|servers|bench|callgrind…
# build: a C compiler and linker. servers: MariaDB, whose programs the tests and the demo start themselves: its system
# service is neither needed nor started; Galera, and rsync with which a node hands its data to another. bench: the load
# generator and the proxy that the benchmark compares with. callgrind: what counts instructions.
# manifests: what reads the shell and the alerts inside the Kubernetes manifests; kubectl, which renders them, is not Debian's.
# page: the browser that looks at the page.
# pods: namespaces, and what stands in for images that the manifests name.
set -euo pipefail

wanted() {
  local set
  for set in "$@"; do
    case $set in
      build) echo cc:gcc /usr/include/stdio.h:libc6-dev ;;
      servers) echo mariadbd:mariadb-server mariadb:mariadb-client /usr/lib/galera/libgalera_smm.so:galera-4 rsync:rsync ;;
      bench) echo sysbench:sysbench haproxy:haproxy ;;
      callgrind) echo valgrind:valgrind ;;
      manifests) echo shellcheck:shellcheck promtool:prometheus ;;
      pods)
        echo ip:iproute2 nsenter:util-linux setpriv:util-linux mariadb-backup:mariadb-backup socat:socat ncat:ncat \
          lsof:lsof sysbench:sysbench /usr/lib/galera/libgalera_smm.so:galera-4
        ;;
      page) echo chromium:chromium node:nodejs npm:npm ;;
      *) echo "tests/install.sh: there is no set $set; give build, servers, bench, callgrind, manifests, pods or page" >&2; return 2 ;;
    esac
  done
}

# A program on PATH (or where Debian keeps servers), or a file.
is_here() {
  case $1 in
    /*) [ -e "$1" ] ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null ;;
  esac
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian starts a server as soon as it is installed. policy-rc.d is its own means to say: not now.
without_starting_services() {
  local policy=/usr/sbin/policy-rc.d ours status=0
  if [ -e $policy ]; then ours=no; else ours=yes; fi
  if [ $ours = yes ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  "$@" || status=$?
  if [ $ours = yes ]; then
    as_root rm -f $policy
    trap - EXIT
  fi
  return $status
}

list=$(wanted "$@")
missing=()
for entry in $list; do
  is_here "${entry%%:*}" || missing+=("${entry##*:}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "This machine has no apt-get. Please install what Debian calls: ${missing[*]}" >&2
  exit 1
fi
echo "==> installing with apt-get, because they are not here: ${missing[*]}"
as_root apt-get -o DPkg::Lock::Timeout=300 update -qq
without_starting_services as_root env DEBIAN_FRONTEND=noninteractive \
  apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "==> installed"

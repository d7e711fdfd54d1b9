#!/bin/bash
# Installs what a job needs from Debian, and nothing where it is there already.
#   scripts/install-deps.sh build|test|bench …
set -euo pipefail

build=(g++ cmake ninja-build ccache pkg-config libssl-dev libcurl4-openssl-dev libnghttp2-dev
       nlohmann-json3-dev libfmt-dev libsqlite3-dev libcli11-dev libtomlplusplus-dev libidn2-dev libseccomp-dev
       libpcre2-dev libc-ares-dev libgtest-dev libgmock-dev libbenchmark-dev)
test=(python3-aiosmtpd python3-pyte prometheus nginx haproxy libnginx-mod-http-lua libnginx-mod-stream pebble python3 python3-cryptography strace curl e2fsprogs nftables
      wrk uacme certbot python3-certbot-nginx lego acme-tiny dehydrated caddy apache2-bin openssl iproute2
      util-linux mount procps systemd
      ca-certificates sudo acl clang-19 libclang-rt-19-dev clang-tidy-19 clang-format-19)
bench=(time)

wanted=()
for group in "${@:-build}"; do
  case $group in
    build) wanted+=("${build[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    bench) wanted+=("${bench[@]}") ;;
    *) echo "install-deps.sh: unknown group '$group' (build, test, bench)" >&2; exit 2 ;;
  esac
done

missing=()
installed=" $(dpkg-query -W -f '${db:Status-Abbrev}${Package} ' | tr '\n' ' ')"
for package in "${wanted[@]}"; do
  [[ $installed == *"ii $package "* ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root() { if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi; }
apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"; }

# A package must not start its server here: port 80 may be taken, and nobody asked for a server.
guard=/usr/sbin/policy-rc.d
if [[ ! -e $guard ]]; then
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null
  as_root chmod 755 "$guard"
  trap 'as_root rm -f "$guard"' EXIT
fi

echo "Installing ${missing[*]}"
apt update
apt install --no-install-recommends "${missing[@]}"

# What the scripts that start examples share; they source it in the project's folder.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

stop() {
  printf '%s\n' "$@" >&2
  exit 1
}

# Installs Debian packages; the first argument says in words what they are needed for.
install() {
  local purpose=$1 sudo=()
  shift
  command -v apt-get >/dev/null || stop "$purpose is missing, and there is no apt-get. Install it, then run this again."
  if ((EUID != 0)); then
    command -v sudo >/dev/null || stop "$purpose is missing. Run this as root, then run me again: apt-get install $*"
    sudo=(sudo)
  fi
  say "Installing $*"
  export DEBIAN_FRONTEND=noninteractive
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && is_new_enough "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  stop "Moongate needs Python 3.11 or newer; found: $(python3 --version 2>&1 || echo none)." \
    "Install one (on Debian 12 and later: apt-get install python3 python3-venv), then run this again."
}

# Whether the files after the first argument, a stamp, are as they were when it was written.
is_stamped() { [[ -f $1 && $(<"$1") == $(stamp_of "${@:2}") ]]; }
stamp_of() { cat "$@" | sha256sum; }

# Makes .venv with Moongate and the extras given, and what an example needs: install_python chat standard
install_python() {
  local example=$1 extras=$2 python packages
  if ! { [[ -x .venv/bin/python ]] && is_new_enough .venv/bin/python; }; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
      packages=(python3-venv)
      [[ $python == python3 ]] || packages=("$python-venv")
      install "Python's venv" "${packages[@]}"
    fi
    say "Creating .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
  fi

  local needs=(pyproject.toml "examples/$example/requirements.txt")
  if ! is_stamped ".venv/$example.stamp" "${needs[@]}"; then
    say "Installing Moongate and what the example needs into .venv"
    .venv/bin/python -c 'import pip' 2>/dev/null || .venv/bin/python -m ensurepip >/dev/null
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
      --editable ".[$extras]" --requirement "examples/$example/requirements.txt"
    stamp_of "${needs[@]}" >".venv/$example.stamp"
  fi
}

# Fetches the official client for browsers, which Moongate serves.
install_client() {
  [[ -f src/moongate/client/package.json ]] || command -v npm >/dev/null ||
    install "npm, which fetches the official Socket.IO client," npm
  scripts/client
}

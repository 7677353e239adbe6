#!/usr/bin/env bash
# Sets up what 'make run' (argument: run), the developer commands (test) or the docs (docs) need; does nothing that is done.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-run}

# Qt 6's system libraries for xcb, Wayland and offscreen; fonts, so that a bare machine shows letters.
packages=(libegl1 libgl1 libxkbcommon0 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 libglib2.0-0 libxcb-cursor0
    libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-sync1
    libxcb-xfixes0 libxcb-xinerama0 libxcb-xkb1 fonts-dejavu-core)
if [ "$mode" != run ]; then
    packages+=(qemu-system-x86 qemu-utils dbus-daemon nasm xvfb)
fi
if [ "$mode" = docs ]; then
    packages+=(chromium)
fi

python=${PYTHON:-python3}
if [ ! -x .venv/bin/python ]; then
    # Debian's own python3 comes without venv; a Python from elsewhere brings it along.
    "$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
fi

if command -v dpkg-query >/dev/null 2>&1; then
    missing=()
    for package in "${packages[@]}"; do
        status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        install=(apt-get install -y --no-install-recommends "${missing[@]}")
        if [ "$(id -u)" = 0 ]; then
            as_root=(env DEBIAN_FRONTEND=noninteractive)
        elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            as_root=(sudo env DEBIAN_FRONTEND=noninteractive)
        else
            echo "These Debian packages are missing: ${missing[*]}" >&2
            echo "Install them and run this again:" >&2
            echo "    sudo apt-get update && sudo ${install[*]}" >&2
            exit 1
        fi
        echo "Installing Debian packages: ${missing[*]}"
        "${as_root[@]}" apt-get update -qq
        "${as_root[@]}" "${install[@]}" >/dev/null
    fi
elif [ ! -x .venv/bin/python ]; then
    echo "Not a Debian system: please see that the equivalents of these are installed: ${packages[*]}" >&2
fi

# The stamp holds the lock and pyproject that .venv was made from.
stamp=.venv/.set-up-from
want=$(sha256sum requirements-dev.lock pyproject.toml scripts/setup.sh | sha256sum)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$want" ]; then
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "vmsnap needs Python 3.11 or newer; $python is $("$python" --version 2>&1). Set PYTHON to another one." >&2
        exit 1
    }
    echo "Setting up .venv"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
    # Once, so that no start compiles the package, also where PYTHONDONTWRITEBYTECODE is set.
    .venv/bin/python -m compileall -q vmsnap_gui
    echo "$want" > "$stamp"
fi

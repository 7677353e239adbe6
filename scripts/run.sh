#!/usr/bin/env bash
# Opens the demo in a window; without a display shows the same application offscreen and says how to see it live.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    exec .venv/bin/vmsnap-gui --demo "$@"
fi
picture=$PWD/.cache/vmsnap-demo.png
mkdir -p .cache
echo "There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set), so the window is drawn offscreen."
echo
echo "The demo's snapshots:"
.venv/bin/vmsnap list --demo
QT_QPA_PLATFORM=offscreen .venv/bin/vmsnap-gui --demo --screenshot "$picture"
echo
echo "A picture of the window: $picture"
echo "To see it live: run 'make run' in a desktop session, over 'ssh -X', or"
echo "    sudo apt-get install xvfb x11vnc && xvfb-run -a make run"

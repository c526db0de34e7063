# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts a Jupyter kernel, has it calculate, interrupts it, and ends it:  kernel.py tcp|ipc"""

import sys

from jupyter_client.manager import KernelManager


def main():
    transport = sys.argv[1]
    manager = KernelManager(transport=transport, kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=40)

    def hear(message):
        kind, content = message["msg_type"], message["content"]
        if kind == "execute_result":
            print(f"{transport}: {content['data']['text/plain']}")
        elif kind == "stream":
            print(f"{transport}: {content['text'].strip()}")
            if "waiting" in content["text"]:
                manager.interrupt_kernel()
        elif kind == "error":
            print(f"{transport}: {content['ename']}")

    for code in ("6 * 7", "import time\nprint('waiting', flush=True)\ntime.sleep(20)"):
        client.execute_interactive(code, timeout=30, output_hook=hear)
    client.stop_channels()
    manager.shutdown_kernel()


if __name__ == "__main__":
    main()

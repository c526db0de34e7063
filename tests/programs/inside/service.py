# SPDX-License-Identifier: GPL-2.0-or-later
"""A service on a message bus, org.example.Counter, that adds up what it is told."""

from gi.repository import Gio, GLib

INTERFACE = """<node><interface name="org.example.Counter">
  <method name="Add"><arg type="i" direction="in"/><arg type="i" direction="out"/></method>
  <method name="Quit"/>
</interface></node>"""


def main():
    loop, total = GLib.MainLoop(), [0]

    def call(connection, _sender, _path, _interface, method, arguments, answer):
        if method == "Add":
            total[0] += arguments[0]
            answer.return_value(GLib.Variant("(i)", (total[0],)))
        else:
            answer.return_value(None)
            connection.flush_sync()
            loop.quit()

    def ready(connection, _name):
        interface = Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0]
        connection.register_object("/", interface, call, None, None)

    Gio.bus_own_name(Gio.BusType.SESSION, "org.example.Counter", Gio.BusNameOwnerFlags.NONE, ready, None, None)
    loop.run()


if __name__ == "__main__":
    main()

"""``python -m haproxy_telemetry``: the same as the command ``haproxy-telemetry``."""

from haproxy_telemetry.cli import main

if __name__ == "__main__":
    main(prog_name="haproxy-telemetry")

"""What an operator of Prometheus in Kubernetes takes: deploy/prometheusrule.yaml, the rules as its custom resource."""

NAME = "netpoller"


def prometheus_rule(rules):
    """The text of rules/netpoller.yml as a PrometheusRule."""
    lines = rules.splitlines()
    groups = lines[lines.index("groups:"):]
    head = [
        "# Written by rules.py from the same source as rules/netpoller.yml.",
        "apiVersion: monitoring.coreos.com/v1",
        "kind: PrometheusRule",
        "metadata:",
        f"  name: {NAME}",
        f"  labels: {{app.kubernetes.io/name: {NAME}}}",
        "spec:",
    ]
    return "\n".join(head + [f"  {line}" if line else line for line in groups]) + "\n"

# Answers, line by line, what ClusterShell makes of an expression.
import json
import sys

from ClusterShell.NodeSet import NodeSet
from ClusterShell.NodeUtils import GroupResolverConfig

resolver = GroupResolverConfig(sys.argv[1])
for line in sys.stdin:
    question = json.loads(line)
    answer = {"error": ""}
    try:
        nodes = NodeSet(question["expression"], resolver=resolver)
        answer["names"] = list(nodes)
        answer["folded"] = str(nodes)
        if question["folded"]:
            answer["ours"] = list(NodeSet(question["folded"], resolver=resolver))
    except Exception as e:
        answer = {"error": str(e) or type(e).__name__}
    print(json.dumps(answer))

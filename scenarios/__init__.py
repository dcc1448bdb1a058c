"""What buyers do. Each scenario is one file that reads like the story it tells."""

from harness.flow.agent import Scenario
from scenarios.checkout import Checkout
from scenarios.conversation import Conversation
from scenarios.failover import Failover
from scenarios.fraud_checked import FraudChecked
from scenarios.method_switch import MethodSwitch
from scenarios.refund import Refunding
from scenarios.routed import Routed
from scenarios.split_bill import SplitBill
from scenarios.tipping import Tipping

SCENARIOS: dict[str, type[Scenario]] = {
    "checkout": Checkout,
    "conversation": Conversation,
    "refund": Refunding,
    "split_bill": SplitBill,
    "tipping": Tipping,
    "method_switch": MethodSwitch,
    "routed": Routed,
    "fraud_checked": FraudChecked,
    "failover": Failover,
}

"""What buyers do. Each scenario is one file that reads like the story it tells."""

from scenarios.conversation import Conversation

SCENARIOS = {
    "conversation": Conversation,
}

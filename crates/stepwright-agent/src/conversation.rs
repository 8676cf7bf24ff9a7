//! The conversation of an agent, with the places of the messages that came from outside.

use crate::definition::AgentDefinition;
use crate::team::lead;
use stepwright_core::message::Message;

/// The messages between an agent, its user and its tools.
#[derive(Clone)]
pub(crate) struct Conversation {
    pub(crate) messages: Vec<Message>,
    /// The number of messages of examples, which come first.
    examples: usize,
    /// The places of the messages of the user: the one to the agent, and those that the agent got
    /// while it worked.
    given: Vec<usize>,
    /// The number of messages that the guards before the model have judged.
    judged: usize,
    /// The number of messages before the agent that is at work: examples, and what was said before
    /// it took over.
    pub(crate) since: usize,
}

impl Conversation {
    /// Begins a conversation with the examples of an agent and the message to it.
    pub(crate) fn begin(agent: &AgentDefinition, message: Message) -> Self {
        let mut messages = agent.upkeep.examples.clone();
        let examples = messages.len();
        messages.push(message);
        Self { messages, examples, given: vec![examples], judged: examples, since: examples }
    }

    /// Returns the messages without the examples.
    pub(crate) fn own(&self) -> &[Message] {
        &self.messages[self.examples..]
    }

    /// Returns the messages after the last one of the user.
    pub(crate) fn since_given(&self) -> &[Message] {
        let last = self.given.last().copied().unwrap_or(self.examples);
        &self.messages[last..]
    }

    /// Returns the texts of the messages of the user from `first` on.
    pub(crate) fn given_texts(&self, first: usize) -> impl Iterator<Item = String> + '_ {
        self.given.iter().skip(first).map(|place| self.messages[*place].text())
    }

    /// Returns the messages of the user from `first` on, with their numbers.
    pub(crate) fn given_mut(
        &mut self,
        first: usize,
    ) -> impl Iterator<Item = (usize, &mut Message)> {
        let Self { messages, given, .. } = self;
        let numbered = messages.iter_mut().enumerate();
        let given = numbered.filter_map(|(place, message)| {
            given.binary_search(&place).ok().map(|number| (number, message))
        });
        given.skip(first)
    }

    /// Returns the messages since the last request that no model has written: those that guards
    /// before the model judge. From now on they are judged.
    pub(crate) fn news_mut(&mut self) -> impl Iterator<Item = &mut Message> {
        let from = std::mem::replace(&mut self.judged, self.messages.len());
        self.messages[from..].iter_mut().filter(|message| !matches!(message, Message::Assistant(_)))
    }

    /// Has the guards before the model of another agent judge all messages, which its model has not
    /// read.
    pub(crate) fn begin_anew(&mut self) {
        self.judged = self.examples;
    }

    /// Returns the messages of the user in their order, without the history. `first` takes the
    /// place of the first one.
    pub(crate) fn asked(&self, first: Option<String>) -> String {
        let first = first.unwrap_or_else(|| lead::input_of(&self.messages[self.examples]));
        self.given_texts(1).fold(first, |asked, text| format!("{asked}\n\n{text}"))
    }

    /// Puts a message at a place, ahead of those that came meanwhile.
    pub(crate) fn insert(&mut self, place: usize, message: Message) {
        self.messages.insert(place, message);
        for given in self.given.iter_mut().filter(|given| **given >= place) {
            *given += 1;
        }
    }

    /// Adds messages of the user. Returns the number of the first of them.
    pub(crate) fn receive<'m>(&mut self, texts: impl Iterator<Item = &'m str>) -> usize {
        let first = self.given.len();
        for text in texts {
            self.given.push(self.messages.len());
            self.messages.push(Message::user(text));
        }
        first
    }
}

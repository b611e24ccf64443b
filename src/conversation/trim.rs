//! What of a history fits into a number of tokens.

use crate::protocol::{Message, Role};

/// Where the newest part of `history` begins that fits into `tokens` beside the system message and
/// the question.
///
/// It begins with a question, so that no answer of a tool is parted from its call; without a question
/// to come, the last one in the history stays whatever its size.
pub(super) fn start(
    system: Option<&Message>,
    history: &[Message],
    question: Option<&Message>,
    tokens: u64,
) -> usize {
    let fixed = system.into_iter().chain(question).map(Message::tokens);
    let mut left = tokens.saturating_sub(fixed.fold(0, u64::saturating_add));
    let mut end = history.len();
    for (begin, _) in turns(history).rev() {
        let turn = history.get(begin..end).unwrap_or_default();
        let weight = turn
            .iter()
            .map(Message::tokens)
            .fold(0, u64::saturating_add);
        let must_stay = question.is_none() && end == history.len();
        if weight > left && !must_stay {
            return end;
        }
        left = left.saturating_sub(weight);
        end = begin;
    }
    end
}

/// The messages that begin a turn: the first, and each that another one than the user did not cause.
fn turns(history: &[Message]) -> impl DoubleEndedIterator<Item = (usize, &Message)> {
    let begins = |message: &Message| {
        !matches!(
            message.role(),
            Role::Assistant | Role::Tool | Role::Function
        )
    };
    history
        .iter()
        .enumerate()
        .filter(move |(position, message)| *position == 0 || begins(message))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::ToolCall;

    fn history(turns: &[(usize, bool)]) -> Vec<Message> {
        turns
            .iter()
            .flat_map(|(length, tools)| {
                let text = "x".repeat(*length);
                let mut turn = vec![Message::user(&text)];
                if *tools {
                    let call = ToolCall::new("c1", "f", "{}");
                    turn.push(Message::assistant("").tool_calls([call]));
                    turn.push(Message::tool("c1", &text));
                }
                turn.push(Message::assistant(text));
                turn
            })
            .collect()
    }

    fn weight(messages: &[Message]) -> u64 {
        messages.iter().map(Message::tokens).sum()
    }

    #[test]
    fn the_oldest_goes_first_and_the_question_counts() {
        let history = history(&[(40, false), (40, true), (40, false)]);
        let question = Message::user("And now?");
        let all = weight(&history) + question.tokens();
        let begin = |tokens| start(None, &history, Some(&question), tokens);

        assert_eq!(begin(all), 0);
        assert_eq!(begin(all - 1), 2);
        assert_eq!(begin(weight(&history[6..]) + question.tokens()), 6);
        assert_eq!(
            begin(0),
            8,
            "the question alone is over it, and is sent all the same"
        );
        let system = Message::system("Be brief.");
        assert_eq!(start(Some(&system), &history, Some(&question), all), 2);
        assert_eq!(start(None, &history, None, 0), 6, "the last turn stays");
    }

    proptest! {
        #[test]
        fn what_is_left_fits_begins_with_a_question_and_is_as_much_as_can_be(
            turns in prop::collection::vec((0_usize..200, any::<bool>()), 0..12),
            tokens in 0_u64..600,
        ) {
            let history = history(&turns);
            let question = Message::user("And now?");
            let begin = start(None, &history, Some(&question), tokens);
            let left = &history[begin..];
            prop_assert!(left.is_empty() || weight(left) + question.tokens() <= tokens);
            prop_assert!(left.first().is_none_or(|first| first.role() == Role::User));
            let before = (0..begin).rev().find(|at| history[*at].role() == Role::User);
            if let Some(before) = before {
                prop_assert!(weight(&history[before..]) + question.tokens() > tokens);
            }
        }
    }
}

//! The settings of calls, each with an example.
//!
//! Each table gives its settings to the macro that writes them: here, and for callers without async.

mod chat;
mod draw;
mod example;
mod generate;
mod speak;

pub(crate) use self::{
    chat::chat_settings, draw::draw_settings, example::example, generate::generate_settings,
    speak::speak_settings,
};

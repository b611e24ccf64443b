use std::collections::BTreeMap;

use serde_json::Value;

use crate::protocol::{
    Invalid,
    format::ResponseFormat,
    invalid,
    parameter::{AudioFormat, AudioOutput, Modality, ReasoningEffort, SearchContext, Stop},
    tool::{Tool, ToolChoice},
};

/// The most tools that a request may bring.
const MAX_TOOLS: usize = 128;

/// What few requests set. Apart, since each setter moves the request.
#[derive(Debug, Clone)]
pub(super) struct Rare {
    pub(super) presence_penalty: Option<f64>,
    pub(super) frequency_penalty: Option<f64>,
    pub(super) repetition_penalty: Option<f64>,
    pub(super) max_completion_tokens: Option<u64>,
    pub(super) stop: Option<Stop>,
    pub(super) response_format: Option<ResponseFormat>,
    pub(super) tools: Vec<Tool>,
    pub(super) tool_choice: Option<ToolChoice>,
    pub(super) parallel_tool_calls: Option<bool>,
    pub(super) modalities: Vec<Modality>,
    pub(super) audio: Option<AudioOutput>,
    pub(super) voice: Option<String>,
    pub(super) reasoning_effort: Option<ReasoningEffort>,
    pub(super) logprobs: Option<bool>,
    pub(super) top_logprobs: Option<u32>,
    pub(super) logit_bias: BTreeMap<String, i64>,
    pub(super) user: Option<String>,
    pub(super) search_context: Option<SearchContext>,
    pub(super) referrer: Option<String>,
    pub(super) extra: BTreeMap<String, Value>,
}

impl Rare {
    pub(super) const NONE: &'static Self = &Self {
        presence_penalty: None,
        frequency_penalty: None,
        repetition_penalty: None,
        max_completion_tokens: None,
        stop: None,
        response_format: None,
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        modalities: Vec::new(),
        audio: None,
        voice: None,
        reasoning_effort: None,
        logprobs: None,
        top_logprobs: None,
        logit_bias: BTreeMap::new(),
        user: None,
        search_context: None,
        referrer: None,
        extra: BTreeMap::new(),
    };

    pub(super) fn validate(&self, stream: bool) -> Result<(), Invalid> {
        invalid::not_empty("voice", self.voice.as_deref())?;
        invalid::number("presence_penalty", self.presence_penalty, -2.0, 2.0)?;
        invalid::number("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?;
        invalid::number("repetition_penalty", self.repetition_penalty, 0.0, 2.0)?;
        invalid::count("max_completion_tokens", self.max_completion_tokens)?;
        invalid::integer("top_logprobs", self.top_logprobs.map(i64::from), 0, 20)?;
        if let Some(Stop(texts)) = &self.stop
            && !(1..=4).contains(&texts.len())
        {
            let given = texts.len();
            return Err(Invalid::new(
                "stop",
                format!("must have 1 to 4 texts, not {given}"),
            ));
        }
        if let Some(format) = &self.response_format {
            format.validate()?;
        }
        self.validate_tools()?;
        self.validate_audio(stream)?;
        self.validate_logit_bias()
    }

    fn validate_audio(&self, stream: bool) -> Result<(), Invalid> {
        match &self.audio {
            Some(audio) if audio.voice.is_empty() => {
                Err(Invalid::new("audio.voice", "must not be empty"))
            }
            Some(audio) if stream && audio.format != AudioFormat::Pcm16 => Err(Invalid::new(
                "audio.format",
                "must be pcm16 in a stream, which no other can be",
            )),
            _ => Ok(()),
        }
    }

    fn validate_logit_bias(&self) -> Result<(), Invalid> {
        let fits = |(token, bias): (&String, &i64)| {
            token.parse::<u64>().is_ok() && (-100..=100).contains(bias)
        };
        if self.logit_bias.iter().all(fits) {
            return Ok(());
        }
        Err(Invalid::new(
            "logit_bias",
            "must be -100 to 100 by a token's number",
        ))
    }

    fn validate_tools(&self) -> Result<(), Invalid> {
        if self.tools.len() > MAX_TOOLS {
            let given = self.tools.len();
            return Err(Invalid::new(
                "tools",
                format!("must be at most {MAX_TOOLS}, not {given}"),
            ));
        }
        for (position, tool) in self.tools.iter().enumerate() {
            tool.validate(position)?;
        }
        match &self.tool_choice {
            Some(ToolChoice::Function(name))
                if self.tools.iter().all(|tool| tool.name() != name) =>
            {
                Err(Invalid::new(
                    "tool_choice",
                    "names a function that is not among the tools",
                ))
            }
            Some(ToolChoice::Required) if self.tools.is_empty() => Err(Invalid::new(
                "tool_choice",
                "requires a tool, and there is none",
            )),
            _ => Ok(()),
        }
    }
}

impl Default for Rare {
    fn default() -> Self {
        Self::NONE.clone()
    }
}

/// Writes the setters of a request's optional parameters.
///
/// After the type stands a value to show in the docs, and what becomes of it: the member of the
/// `body of` a request, or the value in the `query of` its URL. What needs more words than that has
/// an example of its own, and none here. `in` names the method that gives the part of the request in
/// which the parameter stands.
macro_rules! setters {
    ($place:ident of $new:literal;
        $($(#[$doc:meta])* $name:ident $(in $part:ident)?: $type:ty $(= $value:expr => $sent:expr)?;)*
    ) => {$(
        $(#[$doc])*
        $(#[doc = $crate::protocol::setters::example!($place, $new, $name, $value, $sent)])?
        #[must_use]
        pub fn $name(mut self, value: $type) -> Self {
            self.$($part().)?$name = Some(value.into());
            self
        }
    )*};
}

/// The example of a setter, in Markdown.
macro_rules! example {
    (body, $new:literal, $name:ident, $value:expr, $sent:expr) => {
        concat!(
            "\n\n```\n# use blossom::protocol::*;\n",
            concat!("let request = ", $new, ".", stringify!($name)),
            concat!("(", stringify!($value), ");\n"),
            "let body = serde_json::to_value(request)?;\n",
            concat!("assert_eq!(body[\"", stringify!($name), "\"], "),
            concat!(stringify!($sent), ");\n"),
            "# Ok::<_, serde_json::Error>(())\n```"
        )
    };
    (query, $new:literal, $name:ident, $value:expr, $sent:expr) => {
        concat!(
            "\n\n```\n# use blossom::protocol::*;\n",
            concat!("let request = ", $new, ".", stringify!($name)),
            concat!("(", stringify!($value), ");\n"),
            "let http = request.encode(&Endpoint::default())?;\n",
            concat!("assert_eq!(http.uri().query(), Some(\"", stringify!($name)),
            concat!("=", $sent, "\"));\n"),
            "# Ok::<_, Invalid>(())\n```"
        )
    };
}

pub(super) use {example, setters};

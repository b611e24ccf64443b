/// The example of a setting, as the text of its documentation.
///
/// It is written once, as the call that has the setting, and what is true then; the call is awaited in
/// the async example, and sent in the other. `=> answer` gives its answer a name. What begins with
/// `assert!` makes no call. The client is called `client`; `in v1;` makes one of the v1 dialect, `v1`.
macro_rules! example {
    (@begin awaited) => {
        "```\n# #[tokio::main(flavor = \"current_thread\")]\n# async "
    };
    (@begin sent) => {
        "```\n# "
    };
    (@build awaited) => {
        ".build()?;\n"
    };
    (@build sent) => {
        ".build_blocking()?;\n"
    };
    (@make awaited) => {
        ".await?;\n"
    };
    (@make sent) => {
        ".send()?;\n"
    };
    (@main $how:ident) => {
        concat!(
            example!(@begin $how),
            "fn main() -> Result<(), Box<dyn std::error::Error>> {\n",
            "# let sandbox = blossom::sandbox::Sandbox::start()?;\n",
        )
    };
    (@uses) => {
        ""
    };
    (@uses $($path:path)+) => {
        concat!($("use ", stringify!($path), ";\n",)+ "\n")
    };
    (@lines $how:ident $(use $path:path;)* assert!($($true:tt)*);) => {
        concat!(
            example!(@uses $($path)*),
            "assert!(", stringify!($($true)*), ");\n",
            "# Ok(())\n# }\n```",
        )
    };
    (@lines $how:ident $(use $path:path;)* $call:expr $(=> $answer:ident)?; $($true:expr;)*) => {
        concat!(
            example!(@uses $($path)*),
            $("let ", stringify!($answer), " = ",)? stringify!($call), example!(@make $how),
            $(stringify!($true), ";\n",)*
            "# Ok(())\n# }\n```",
        )
    };
    ($how:ident in v1; $($lines:tt)*) => {
        concat!(
            example!(@main $how),
            "# let v1 = blossom::Endpoint::new(blossom::Dialect::V1, sandbox.base_url())?;\n",
            "# let v1 = blossom::Blossom::builder().endpoint(v1)", example!(@build $how),
            example!(@lines $how $($lines)*),
        )
    };
    ($how:ident $($lines:tt)*) => {
        concat!(
            example!(@main $how),
            "# let client = blossom::Blossom::builder().base_url(sandbox.base_url())",
            example!(@build $how),
            example!(@lines $how $($lines)*),
        )
    };
}

pub(crate) use example;

/// The example of a setting, as the text of its documentation.
///
/// A table writes it once, in lines like those of a comment. The last line before `=>` is a call that is
/// made there: it is awaited in the async example, and sent in the other. Without `=>` none is made. The
/// client is called `client`; with `in v1` it speaks that dialect, and is called `v1`.
macro_rules! example {
    (@main awaited) => {
        " ```\n # #[tokio::main(flavor = \"current_thread\")]\n # async fn main()"
    };
    (@main sent) => {
        " ```\n # fn main()"
    };
    (@build awaited) => {
        ".build()?;"
    };
    (@build sent) => {
        ".build_blocking()?;"
    };
    (@make awaited) => {
        ".await?;"
    };
    (@make sent) => {
        ".send()?;"
    };
    (@begin $how:ident) => {
        concat!(
            example!(@main $how), " -> Result<(), Box<dyn std::error::Error>> {",
            "\n # let sandbox = blossom::sandbox::Sandbox::start()?;",
        )
    };
    (@lines $how:ident $(#[doc = $before:literal])* $(=> $(#[doc = $after:literal])*)?) => {
        concat!(
            $("\n", $before,)*
            $(example!(@make $how), $("\n", $after,)*)?
            "\n # Ok(())\n # }\n ```",
        )
    };
    ($how:ident in v1 $($lines:tt)*) => {
        concat!(
            example!(@begin $how),
            "\n # let v1 = blossom::Endpoint::new(blossom::Dialect::V1, sandbox.base_url())?;",
            "\n # let v1 = blossom::Blossom::builder().endpoint(v1)", example!(@build $how),
            example!(@lines $how $($lines)*),
        )
    };
    ($how:ident $($lines:tt)*) => {
        concat!(
            example!(@begin $how),
            "\n # let client = blossom::Blossom::builder().base_url(sandbox.base_url())",
            example!(@build $how),
            example!(@lines $how $($lines)*),
        )
    };
}

pub(crate) use example;

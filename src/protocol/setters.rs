/// Writes the setters of a request's optional parameters.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, value: $type) -> Self {
            self.$name = Some(value.into());
            self
        }
    )*};
}

pub(super) use setters;

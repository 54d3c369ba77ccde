//! stub
pub(crate) struct Options;
impl Options {
    pub(crate) fn of(_: &crate::args::Globals) -> Self {
        Self
    }
}
pub(crate) fn run(_: &crate::client::Target, _: &Options) -> Result<(), crate::failure::Failure> {
    Ok(())
}

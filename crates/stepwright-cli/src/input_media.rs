//! The media of an input.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwright::{Error, ErrorId, Media, MediaInput};
use stepwright_core::media::{
    MEDIA_BYTES_MAX, StoredMedia, extension_of_mime, mime_of_bytes, mime_of_name,
};

/// Returns the media among `-i NAME=VALUE` arguments, by the names that the workflow declares, and
/// the other arguments.
pub(crate) fn split(
    pairs: &[String],
    taken: &[MediaInput],
) -> Result<(Vec<Media>, Vec<String>), Error> {
    let (mut media, mut others) = (Vec::new(), Vec::new());
    for pair in pairs {
        let named = pair.split_once('=').and_then(|(name, value)| {
            taken.iter().find(|input| input.name == name).map(|input| (input, value))
        });
        match named {
            Some((input, value)) => media.push(medium(input, value)?),
            None => others.push(pair.clone()),
        }
    }
    Ok((media, others))
}

/// Reads the media item of an argument.
fn medium(input: &MediaInput, value: &str) -> Result<Media, Error> {
    let name = &input.name;
    if value.starts_with("https://") || value.starts_with("http://") {
        let media = Media::url(input.kind, value);
        let path = value.split(['?', '#']).next().unwrap_or_default();
        return Ok(with_mime(media, mime_of_name(path)));
    }
    let Some(path) = value.strip_prefix('@').filter(|path| !path.is_empty()) else {
        let error = Error::usage(format!("`-i {name}={value}` names no file"));
        return Err(error.with_id(ErrorId::VALUE_INVALID).with_hint(format!(
            "write `-i {name}=@FILE`, or the address of a file: `-i {name}=https://…`"
        )));
    };
    let path = Path::new(path);
    let shown = if path == Path::new("-") {
        "the input from stdin".to_owned()
    } else {
        format!("the file `{}`", path.display())
    };
    let unreadable = |why: String| {
        Error::usage(format!("{shown} cannot be read: {why}")).with_id(ErrorId::INPUT_UNREADABLE)
    };
    let too_large = |bytes: u64| {
        let what = format!("{shown} has {bytes} bytes; the limit is {MEDIA_BYTES_MAX}");
        let error = Error::usage(what).with_id(ErrorId::MEDIA_TOO_LARGE);
        error.with_hint("let a step read it instead, or pass its address")
    };
    let media = if path == Path::new("-") {
        streamed(input, std::io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let about = file.metadata().map_err(|error| unreadable(error.to_string()))?;
        match usize::try_from(about.len()) {
            Ok(bytes) if about.is_file() && about.len() <= MEDIA_BYTES_MAX => {
                Media::read(input.kind, bytes, file)
            }
            _ if about.is_file() => return Err(too_large(about.len())),
            _ => streamed(input, file),
        }
    };
    let media = media.map_err(|error| unreadable(error.to_string()))?;
    if let Some(bytes) = media.size().filter(|bytes| *bytes > MEDIA_BYTES_MAX) {
        return Err(too_large(bytes));
    }
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let file_name = file_name.filter(|name| name != "-");
    let mime = file_name.as_deref().and_then(mime_of_name);
    let mime = mime.or_else(|| mime_of_bytes(&media.live()?));
    let media = media.with_name(file_name.unwrap_or_else(|| name.clone()));
    Ok(with_mime(media, mime))
}

/// Reads a media item of unknown size.
fn streamed(input: &MediaInput, from: impl std::io::Read) -> std::io::Result<Media> {
    let mut bytes = Vec::new();
    from.take(MEDIA_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(Media::bytes(input.kind, bytes))
}

fn with_mime(media: Media, mime: Option<String>) -> Media {
    match mime {
        Some(mime) => media.with_mime(mime),
        None => media,
    }
}

/// Writes media into a folder, which is created if need be. Returns the path of the file.
pub(crate) fn save(dir: &Path, nth: usize, media: &Media, bytes: &[u8]) -> Result<PathBuf, Error> {
    let refused = |error: std::io::Error| {
        let what = format!("media cannot be written into `{}`: {error}", dir.display());
        Error::usage(what).with_id(ErrorId::EXPORT_UNWRITABLE)
    };
    std::fs::create_dir_all(dir).map_err(refused)?;
    let path = dir.join(file_name(nth, media));
    std::fs::write(&path, bytes).map_err(refused)?;
    Ok(path)
}

/// Returns a name for the file of a media item: its number, and its own name without folders.
fn file_name(nth: usize, media: &Media) -> String {
    let own = media.name.as_deref().and_then(|name| name.rsplit(['/', '\\']).next());
    let own = own.unwrap_or(media.kind.as_str());
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ');
    let own: String = own.chars().map(|c| if is_plain(c) { c } else { '_' }).take(100).collect();
    let extension = media.mime.as_deref().and_then(extension_of_mime);
    match extension.filter(|_| !own.contains('.')) {
        Some(extension) => format!("{nth}-{own}.{extension}"),
        None => format!("{nth}-{own}"),
    }
}

/// Returns a media item in one line, for people.
pub(crate) fn told(media: &Media) -> String {
    let name = media.name.as_deref().unwrap_or(media.kind.as_str());
    let mime = media.mime.as_deref().unwrap_or(media.kind.as_str());
    let place = match &media.source {
        stepwright_core::MediaSource::Url(place) | stepwright_core::MediaSource::Path(place) => {
            place.clone()
        }
        _ => {
            let bytes = media.size().unwrap_or_default();
            let sha256 = match media.stored() {
                Some(stored) => stored.sha256.clone(),
                None => StoredMedia::of(media.live().unwrap_or_else(|| Arc::from([]))).sha256,
            };
            format!("{bytes} bytes, sha256 {}…", sha256.get(..12).unwrap_or(&sha256))
        }
    };
    format!("{name}: {mime}, {place}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright::MediaKind;

    #[test]
    fn a_saved_file_stays_in_its_folder_and_has_an_extension() {
        let media = |name: &str| Media::bytes(MediaKind::Image, *b"x").with_name(name);
        assert_eq!(file_name(1, &media("../../etc/passwd")), "1-passwd");
        assert_eq!(file_name(2, &media("chart").with_mime("image/png")), "2-chart.png");
        assert_eq!(file_name(3, &media("a:b?.png")), "3-a_b_.png");
        assert_eq!(file_name(4, &Media::bytes(MediaKind::File, *b"x")), "4-file");
    }

    #[test]
    fn only_declared_names_are_media() {
        let taken = [MediaInput::new("photo", MediaKind::Image)];
        let pairs = ["topic=bees", "photo=https://example.org/a.png?s=1"].map(str::to_owned);
        let (media, others) = split(&pairs, &taken).unwrap();
        assert_eq!(
            (others, media[0].mime.as_deref()),
            (vec!["topic=bees".to_owned()], Some("image/png"))
        );
        let error = split(&["photo=a.png".to_owned()], &taken).unwrap_err();
        assert_eq!(error.to_string(), "`-i photo=a.png` names no file");
    }
}

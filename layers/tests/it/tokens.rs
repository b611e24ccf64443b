//! Estimates beside the true counts of a fixed corpus.

use blossom_layers::estimate::{Bpe, CountTokens, Encoding, Heuristic};

/// Text, and its true tokens in `o200k_base` and `cl100k_base`.
const CORPUS: &[(&str, &str, u64, u64)] = &[
    (
        "English",
        "The roses along the old wall opened early this year. She put the letter on the table and did not read it until the evening. Could you explain in simple words how a heat pump works, and why it needs no fire?",
        46,
        46,
    ),
    (
        "Rust",
        "pub fn total(items: &[Item]) -> u64 {\n    items\n        .iter()\n        .filter(|item| item.count > 0)\n        .map(|item| item.price * item.count)\n        .sum()\n}\n",
        48,
        48,
    ),
    (
        "Python",
        "def mean(values):\n    if not values:\n        return None\n    total = 0\n    for value in values:\n        total += value\n    return total / len(values)\n",
        37,
        37,
    ),
    (
        "JSON",
        "{\"order\": {\"id\": 48213, \"customer\": \"Rosa Feld\", \"items\": [{\"name\": \"tulip bulb\", \"count\": 12, \"price\": 0.85}, {\"name\": \"garden hose\", \"count\": 1, \"price\": 24.9}], \"paid\": true, \"note\": null}}",
        75,
        76,
    ),
    (
        "Chinese",
        "今年春天，院子里的玫瑰开得特别早。请用简单的语言解释一下什么是机器学习。他每天早上都在公园里跑步，然后去喝一杯咖啡。如果明天下雨，我们就在家里看电影。",
        57,
        88,
    ),
    (
        "Japanese",
        "今年は庭のバラがとても早く咲きました。機械学習の仕組みを簡単な言葉で説明してください。明日雨が降ったら、家で映画を見ましょう。",
        50,
        78,
    ),
    (
        "Korean",
        "올해는 정원의 장미가 아주 일찍 피었습니다. 인공지능이 어떻게 작동하는지 쉬운 말로 설명해 주세요. 네트워크 연결을 확인하고 다시 시도해 주세요.",
        44,
        70,
    ),
    (
        "Arabic",
        "تفتحت الورود في الحديقة مبكرا هذا العام. من فضلك اشرح لي بكلمات بسيطة كيف يعمل الذكاء الاصطناعي. ذهبنا إلى السوق واشترينا الخبز والفاكهة الطازجة.",
        51,
        105,
    ),
    (
        "Russian",
        "В этом году розы у старой стены расцвели очень рано. Объясните, пожалуйста, простыми словами, как работает нейронная сеть. Поезд опоздал на два часа, и все пассажиры были недовольны.",
        52,
        87,
    ),
    (
        "Hindi",
        "इस साल बगीच\u{947} म\u{947}\u{902} ग\u{941}लाब बह\u{941}त जल\u{94d}दी खिल गए। क\u{943}पया सरल शब\u{94d}दो\u{902} म\u{947}\u{902} समझाइए कि मशीन लर\u{94d}नि\u{902}ग क\u{948}स\u{947} काम करती ह\u{948}। ट\u{94d}र\u{947}न दो घ\u{902}ट\u{947} द\u{947}र स\u{947} आई और सभी यात\u{94d}री पर\u{947}शान थ\u{947}।",
        46,
        154,
    ),
    (
        "German",
        "Die Rosen an der alten Mauer sind dieses Jahr besonders früh aufgeblüht. Bitte erkläre mir in einfachen Worten, wie eine Wärmepumpe funktioniert. Der Zug hatte zwei Stunden Verspätung, und niemand wusste, warum.",
        49,
        62,
    ),
    (
        "Spanish",
        "Las rosas del viejo muro florecieron muy temprano este año. Explícame con palabras sencillas cómo funciona una bomba de calor. El tren llegó dos horas tarde y nadie sabía por qué.",
        38,
        49,
    ),
    (
        "emoji",
        "🌹🌷🌻🌼 👍🎉🚀 👩\u{200d}💻👨\u{200d}👩\u{200d}👧\u{200d}👦 ❤\u{fe0f}☀\u{fe0f} 🇫🇷🇯🇵 😀😂🤔😭🥰 🐝🦋🐞 👍🏽👋🏿",
        63,
        92,
    ),
    (
        "numbers",
        "3.14159 2.71828 1,234,567 -40 0x1F 2026-03-14 15:09:26.535 99.95% 10000000",
        46,
        46,
    ),
    (
        "white space",
        "if (ready) {\n        for (;;) {\n                wait();\n        }\n\n\n}\n\t\t// done\n",
        20,
        20,
    ),
];

#[test]
fn j2_the_heuristic_stays_within_its_band_over_a_multilingual_corpus() {
    let heuristic = Heuristic::new();
    let (mut estimated, mut exact) = (0, 0);
    for (kind, text, tokens, _) in CORPUS {
        let counted = heuristic.count(text);
        // A text as short as these may be further off than one of 64 KiB.
        let off = counted.abs_diff(*tokens) * 100 / tokens;
        assert!(off <= 25, "{kind}: {counted} for {tokens}");
        estimated += counted;
        exact += tokens;
    }
    assert!(
        estimated.abs_diff(exact) * 100 <= exact * 10,
        "{estimated} for {exact}"
    );
}

#[test]
fn j2_exact_counts_are_those_that_were_stored() {
    for (kind, text, o200k, cl100k) in CORPUS {
        assert_eq!(Bpe::new(Encoding::O200kBase).count(text), *o200k, "{kind}");
        assert_eq!(
            Bpe::new(Encoding::Cl100kBase).count(text),
            *cl100k,
            "{kind}"
        );
    }
}

#[test]
fn j1_time_is_linear_in_a_word_without_end() {
    // Were it quadratic, this would take minutes.
    let letter = "a".repeat(1 << 20);
    assert_eq!(Bpe::new(Encoding::O200kBase).count(&letter), 131_072);
    assert_eq!(
        Heuristic::new().count(&letter).abs_diff(131_072) * 100 / 131_072,
        0
    );
}

#!/usr/bin/env bash
# `make demo`: train on the demo corpus, score, translate, and say what to do next.
set -euo pipefail
BIN=${BIN:-.venv/bin}
RUN=${RUN:-runs/demo}

echo "1. Training a model on the demo corpus, Chinese to English. Press Ctrl-C to interrupt; run this again to resume."
"$BIN/mt" train run_dir="$RUN" "$@"

echo
echo "2. Translating sentences with it:"
sentences=('我昨天买了三本书。' '他比我高。' '请把门关上。' '你去过北京吗？' '那个穿红色裙子的女孩是小明的邻居。' '我的自行车被偷了。')
paste -d '\n' <(printf '   %s\n' "${sentences[@]}") \
    <(printf '%s\n' "${sentences[@]}" | "$BIN/mt" translate "$RUN" | sed 's/^/     -> /')

cat <<TEXT

3. What next:
   the model          $RUN
   its scores above   on generated text, see data/demo/README.md
   translate more     $BIN/mt translate $RUN '她每天早上在公园跑步。'
   score it again     $BIN/mt evaluate $RUN
   watch the curves   $BIN/tensorboard --logdir runs   and open http://localhost:6006
   your own text      $BIN/mt train data=files data.src_lang=de data.tgt_lang=en data.train=my/train data.valid=my/valid
TEXT

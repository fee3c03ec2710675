"""The look of a backtest's report, by day and by night."""

STYLE = """
:root{color-scheme:light dark;--paper:light-dark(#f6f3ec,#11161b);--card:light-dark(#fffdf9,#192028);
--ink:light-dark(#1d2731,#e4e8ec);--soft:light-dark(#6a7480,#93a1ae);--line:light-dark(#e4ded2,#2a333d);
--bell:light-dark(#bf3b26,#ef6f57);--usual:light-dark(#2f6f9f,#6fb1de);--gold:light-dark(#a8761a,#dcaa4b);
--column:light-dark(#3b4754,#aab6c1)}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1040px;margin:0 auto;padding:2.4rem 1.2rem 3rem}
header{margin:0 0 2rem}.eyebrow{margin:0;color:var(--bell);font-weight:650;letter-spacing:.09em;font-size:.75rem;
text-transform:uppercase}
h1{font:600 2.3rem/1.15 Georgia,"Times New Roman",serif;margin:.1rem 0 .3rem}
h2{font:600 1.3rem/1.3 Georgia,"Times New Roman",serif;margin:0 0 .7rem;overflow-wrap:anywhere}
h2 code{font:400 .72rem ui-monospace,monospace;color:var(--soft);margin-left:.5rem}
h3{font-size:.95rem;margin:0 0 .5rem;font-weight:600}h3>span:last-child{color:var(--soft);font-weight:400}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.8rem;margin:1.3rem 0 .8rem}
dl div{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:.8rem 1rem}
dt{font:600 1.75rem/1.1 Georgia,serif}dd{margin:.25rem 0 0;color:var(--soft);font-size:.82rem;line-height:1.35}
section{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1.3rem 1.4rem;margin:0 0 1.4rem}
article{border-top:1px solid var(--line);margin:1.1rem 0 0;padding:1.1rem 0 0}
p{margin:.35rem 0}.quiet,footer{color:var(--soft);font-size:.85rem}footer{margin-top:2rem}
.badge{display:inline-block;font-size:.72rem;font-weight:600;padding:.12rem .55rem;border-radius:99px;
background:color-mix(in srgb,var(--gold) 20%,transparent);color:var(--gold)}
.badge.critical{background:color-mix(in srgb,var(--bell) 18%,transparent);color:var(--bell)}
.badge.info{background:color-mix(in srgb,var(--usual) 18%,transparent);color:var(--usual)}
.facts{display:flex;flex-wrap:wrap;gap:.2rem 1.3rem;color:var(--soft);font-size:.85rem;margin:.5rem 0}
.facts b{color:var(--ink)}
.chips{display:flex;flex-wrap:wrap;gap:.35rem}.chips i{font-style:normal;font-size:.8rem;padding:.1rem .55rem;
border:1px solid var(--line);border-radius:99px;overflow-wrap:anywhere}
.chips .source{border-color:var(--usual)}.chips .topic{border-color:var(--gold)}
.chips .term{background:color-mix(in srgb,var(--bell) 10%,transparent);border-color:transparent}
.quotes{margin:.6rem 0 0;padding:0;list-style:none}.quotes li{
border-left:3px solid var(--bell);padding:.1rem 0 .1rem .8rem;
margin:.45rem 0;overflow-wrap:anywhere}.quotes span{color:var(--soft);font-size:.8rem;margin-left:.4rem}
table{border-collapse:collapse;width:100%;font-size:.88rem;margin-top:.8rem}
th{color:var(--soft);font-weight:500;text-align:left}
th,td{padding:.4rem .7rem .4rem 0;border-bottom:1px solid var(--line);
vertical-align:top;font-variant-numeric:tabular-nums}
summary{cursor:pointer}details ul{margin:.3rem 0;padding-left:1.1rem}details span{color:var(--soft)}
svg{width:100%;height:auto;display:block;margin:.2rem 0 .6rem;overflow:visible}
svg text{fill:var(--soft);font:11px system-ui,sans-serif}svg .lane{fill:var(--ink);font-size:12px}
svg .strong{fill:var(--ink);font-weight:600}svg .panel{fill:var(--soft);font-size:10.5px;letter-spacing:.02em}
.rule{stroke:var(--line);fill:none}.bar{fill:var(--gold)}.bar.critical{fill:var(--bell)}.bar.info{fill:var(--usual)}
.band{fill:var(--bell);opacity:.13}.columns{stroke:var(--column);stroke-width:1.5;fill:none;opacity:.75}
.negative{fill:var(--column)}path.usual,polyline.usual{fill:none;stroke:var(--usual);stroke-width:1.8}
path.usual{stroke-dasharray:5 4}.share{fill:var(--gold);opacity:.65}.score{fill:var(--bell);opacity:.45}
.threshold{stroke:var(--bell);stroke-dasharray:3 3;fill:none}svg .threshold-name{fill:var(--bell)}
.moment{stroke:var(--bell);stroke-width:1;fill:none;opacity:.55}
.rang,.allowed{fill:none;stroke-width:2.2}polyline.rang{stroke:var(--bell)}
polyline.allowed{stroke:var(--usual);stroke-dasharray:5 4}
svg text.rang{fill:var(--bell)}svg text.allowed{fill:var(--usual)}
svg .name{font-size:12px}.dot{fill:var(--card);stroke:var(--bell);stroke-width:2.2}.dot.here{fill:var(--bell)}
.wide:focus-visible{outline:2px solid var(--usual);outline-offset:4px;border-radius:6px}
@media(max-width:680px){.wide{overflow-x:auto}.wide>*{min-width:640px}
section{padding:1.1rem 1rem}main{padding:1.6rem .8rem 2rem}}
@media print{section{break-inside:avoid}}
"""

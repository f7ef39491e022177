"""Names: those that tell what an abbreviation or a letter beside them is.

In: nothing. Out: sets of the counties that "Co." stands before, and of first names that are seldom family names.
"""

from __future__ import annotations

COUNTIES = frozenset(
    "Antrim Armagh Carlow Cavan Clare Cork Derry Donegal Down Dublin Durham Fermanagh Galway Kerry Kildare Kilkenny"
    " Laois Leitrim Limerick Londonderry Longford Louth Mayo Meath Monaghan Offaly Roscommon Sligo Tipperary Tyrone"
    " Waterford Westmeath Wexford Wicklow".split()
)
"""Of Ireland, and Durham."""

WOMEN = frozenset(
    "Agatha Agnes Alice Alicia Alma Amelia Angela Ann Anna Anne Annie Annunciata Assumpta Barbara Beatrice Bernadette"
    " Bernardine Bridget Brigid Carmel Caroline Catherine Cecilia Charlotte Christine Clara Clare Claire Clementine"
    " Colette Consolata Deborah Dolores Dorothy Eileen Eleanor Elena Eliza Elizabeth Ellen Emily Emma Eva Faustina"
    " Felicity Fidelma Frances Francesca Geraldine Gertrude Helen Helena Hildegard Immaculata Imelda Isabel Isabella"
    " Jane Janet Jean Joan Johanna Josephine Julia Juliana Karen Katharine Katherine Kathleen Laura Lucia Lucy Luisa"
    " Magdalena Margaret Maria Marie Martha Mary Mathilda Maura Maureen Mercedes Miriam Monica Nancy Nora Patricia"
    " Pauline Perpetua Philomena Prudence Rachel Rebecca Regina Rita Rosa Rosalia Rosaria Rose Ruth Sarah Scholastica"
    " Simone Sophia Sophie Stella Susan Teresa Theresa Therese Ursula Veronica Victoria Winifred".split()
)
FIRST_NAMES = WOMEN | frozenset(
    "Albert Alex Alfred Andy Arthur Ben Bill Billy Bob Bobby Charlie Chris Dan Daniel Dave David Dick Ed Eddie Eric"
    " Ernest Frank Fred Harry Jack Jake Jim Jimmy Joe John Johnny Jonathan Joseph Ken Larry Leo Matt Max Michael Mike"
    " Nathan Nick Oliver Oscar Pete Peter Phil Ralph Ron Sam Stephen Steve Ted Tim Timothy Tom Tommy Tony"
    " Walter Will Amy Becky Betty Carol Cathy Daisy Debbie Diana Donna Gina Gwen Heidi Jenny Jessica Jill Judy"
    " Kate Kathy Katie Kim Linda Lisa Liz Lizzie Lois Louise Maggie Molly Olivia Pam Peggy Polly Sally Sandra Sue"
    " Wendy".split()
)

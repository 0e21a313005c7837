"""References for papers that use darts-eval: standards, metrics, statistics, software."""

from __future__ import annotations

__all__ = ["CITATIONS"]

CITATIONS: dict[str, str] = {
    # Labelling
    "darts": "Kaku A, Hegde CV, Huang J, et al. DARTS: DenseUnet-based automatic rapid tool for brain segmentation. "
    "arXiv:1911.05567, 2019.",
    "dkt": "Klein A, Tourville J. 101 labeled brain images and a consistent human cortical labeling protocol. "
    "Frontiers in Neuroscience 2012;6:171.",
    "desikan": "Desikan RS, Ségonne F, Fischl B, et al. An automated labeling system for subdividing the human cerebral cortex "
    "on MRI scans into gyral based regions of interest. NeuroImage 2006;31(3):968–980.",
    "aseg": "Fischl B, Salat DH, Busa E, et al. Whole brain segmentation: automated labeling of neuroanatomical structures in "
    "the human brain. Neuron 2002;33(3):341–355.",
    "freesurfer": "Fischl B. FreeSurfer. NeuroImage 2012;62(2):774–781.",
    # Metrics
    "dice": "Dice LR. Measures of the amount of ecologic association between species. Ecology 1945;26(3):297–302.",
    "taha": "Taha AA, Hanbury A. Metrics for evaluating 3D medical image segmentation: analysis, selection, and tool. "
    "BMC Medical Imaging 2015;15:29.",
    "hausdorff": "Huttenlocher DP, Klanderman GA, Rucklidge WJ. Comparing images using the Hausdorff distance. IEEE "
    "Transactions on Pattern Analysis and Machine Intelligence 1993;15(9):850–863.",
    "assd": "Heimann T, van Ginneken B, Styner MA, et al. Comparison and evaluation of methods for liver segmentation from CT "
    "datasets. IEEE Transactions on Medical Imaging 2009;28(8):1251–1265.",
    "surface_dice": "Nikolov S, Blackwell S, Zverovitch A, et al. Clinically applicable segmentation of head and neck anatomy "
    "for radiotherapy: deep learning algorithm development and validation study. Journal of Medical Internet Research "
    "2021;23(7):e26151.",
    # Statistics
    "t": "Student. The probable error of a mean. Biometrika 1908;6(1):1–25.",
    "wilcoxon": "Wilcoxon F. Individual comparisons by ranking methods. Biometrics Bulletin 1945;1(6):80–83.",
    "holm": "Holm S. A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics "
    "1979;6(2):65–70.",
    "fdr": "Benjamini Y, Hochberg Y. Controlling the false discovery rate: a practical and powerful approach to multiple "
    "testing. Journal of the Royal Statistical Society B 1995;57(1):289–300.",
    "bca": "Efron B. Better bootstrap confidence intervals. Journal of the American Statistical Association "
    "1987;82(397):171–185.",
    "hodges_lehmann": "Hodges JL, Lehmann EL. Estimates of location based on rank tests. Annals of Mathematical Statistics "
    "1963;34(2):598–611.",
    "rank_biserial": "Kerby DS. The simple difference formula: an approach to teaching nonparametric correlation. "
    "Comprehensive Psychology 2014;3:11.IT.3.1.",
    "cohen": "Cohen J. Statistical power analysis for the behavioral sciences. 2nd ed. Hillsdale: Lawrence Erlbaum; 1988.",
    "friedman": "Friedman M. The use of ranks to avoid the assumption of normality implicit in the analysis of variance. "
    "Journal of the American Statistical Association 1937;32(200):675–701.",
    "iman_davenport": "Iman RL, Davenport JM. Approximations of the critical region of the Friedman statistic. Communications "
    "in Statistics A 1980;9(6):571–595.",
    "mixed_model": "Laird NM, Ware JH. Random-effects models for longitudinal data. Biometrics 1982;38(4):963–974.",
    "bland_altman": "Bland JM, Altman DG. Statistical methods for assessing agreement between two methods of clinical "
    "measurement. Lancet 1986;327(8476):307–310.",
    "icc": "McGraw KO, Wong SP. Forming inferences about some intraclass correlation coefficients. Psychological Methods "
    "1996;1(1):30–46.",
    # Software
    "numpy": "Harris CR, Millman KJ, van der Walt SJ, et al. Array programming with NumPy. Nature 2020;585:357–362.",
    "scipy": "Virtanen P, Gommers R, Oliphant TE, et al. SciPy 1.0: fundamental algorithms for scientific computing in Python. "
    "Nature Methods 2020;17:261–272.",
    "pandas": "McKinney W. Data structures for statistical computing in Python. Proceedings of the 9th Python in Science "
    "Conference 2010:56–61.",
    "nibabel": "Brett M, Markiewicz CJ, Hanke M, et al. nipy/nibabel. Zenodo, doi:10.5281/zenodo.591597.",
    "statsmodels": "Seabold S, Perktold J. Statsmodels: econometric and statistical modeling with Python. Proceedings of the "
    "9th Python in Science Conference 2010:92–96.",
    "matplotlib": "Hunter JD. Matplotlib: a 2D graphics environment. Computing in Science & Engineering 2007;9(3):90–95.",
    "seaborn": "Waskom ML. seaborn: statistical data visualization. Journal of Open Source Software 2021;6(60):3021.",
}
